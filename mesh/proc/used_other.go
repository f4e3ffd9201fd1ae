//go:build !linux

package proc

import "time"

// Used cannot be told here.
func Used(int) time.Duration { return 0 }
