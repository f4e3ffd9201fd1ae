package loadgen

import (
	"time"
)

// clock turns a schedule into real time. It waits by itself instead of asking the attacker to, since the attacker's sleep
// cannot be interrupted and counts from a start of its own.
type clock struct {
	s     *sender
	hits  uint64
	timer *time.Timer
}

func newClock(s *sender) *clock {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &clock{s: s, hits: s.load.Pacer.Hits(s.load.Duration), timer: timer}
}

// Pace returns when the next request is due, or at once with stop when there is none or the run was stopped.
func (c *clock) Pace(_ time.Duration, sent uint64) (wait time.Duration, stop bool) {
	if sent >= c.hits || c.s.ctx.Err() != nil {
		return 0, true
	}
	due := c.s.start.Add(c.s.load.Pacer.Due(sent))
	if left := time.Until(due) - fineWait; left > 0 {
		c.timer.Reset(left)
		select {
		case <-c.timer.C:
		case <-c.s.ctx.Done():
			return 0, true
		}
	}
	if left := time.Until(due); left > 0 {
		sleepFinely(left)
	}
	return 0, false
}

// Rate is part of what the attacker wants of a pacer.
func (c *clock) Rate(elapsed time.Duration) float64 { return c.s.load.Pacer.Rate(elapsed) }
