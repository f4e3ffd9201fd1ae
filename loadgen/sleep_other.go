//go:build !linux

package loadgen

import "time"

const fineWait = 0

func sleepFinely(d time.Duration) { time.Sleep(d) }
