package ca

import "time"

// WithClock gives an attestor with the same key and another clock.
func (a *Attestor) WithClock(now func() time.Time) *Attestor {
	out := *a
	out.now = now
	return &out
}
