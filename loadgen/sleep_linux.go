package loadgen

import (
	"syscall"
	"time"
)

// fineWait is the last part of a wait, for which the runtime's timers are too coarse: an idle process is woken by
// epoll_wait, in whole milliseconds.
const fineWait = 1100 * time.Microsecond

// sleepFinely sleeps to within some 60 µs, the kernel's timer slack.
func sleepFinely(d time.Duration) {
	left := syscall.NsecToTimespec(int64(d))
	for {
		now := left
		if err := syscall.Nanosleep(&now, &left); err != syscall.EINTR {
			return
		}
	}
}
