package loadgen

import (
	"fmt"
	"slices"
	"time"
)

// Summary says whether a load was what it should have been.
type Summary struct {
	// Name of the load.
	Name string `json:"name"`
	// Offered is how many requests the schedule has.
	Offered uint64 `json:"offered"`
	// Sent is how many of them were sent; the others were not because the run was stopped.
	Sent uint64 `json:"sent"`
	// Completed is how many got a whole answer, of whatever status.
	Completed uint64 `json:"completed"`
	// Late is how many were sent later than the tolerance allows.
	Late uint64 `json:"late,omitempty"`
	// MaxLag and P99Lag tell how late requests were sent.
	MaxLag time.Duration `json:"maxLag"`
	P99Lag time.Duration `json:"p99Lag"`
	// Behind tells that the stated rate was not offered: results prove nothing about what was under load.
	Behind bool `json:"behind"`
	// Stopped tells that the run was stopped before the schedule was over, and that this alone is why it is Behind.
	Stopped bool `json:"stopped,omitempty"`
	// Reason is a sentence that says why it is Behind; empty if it is not.
	Reason string `json:"reason,omitempty"`
}

// tally collects what a Summary is made of; its user holds a lock.
type tally struct {
	lags      []time.Duration
	completed uint64
	exhausted uint64
}

func (t *tally) add(r *Result) {
	t.lags = append(t.lags, r.Lag())
	if r.Answered() {
		t.completed++
	}
	if r.Err == ErrExhausted {
		t.exhausted++
	}
}

func (t *tally) summary(l *Load) Summary {
	slices.Sort(t.lags)
	tolerance := l.Tolerance.withDefaults()
	s := Summary{
		Name: l.Name, Offered: l.Pacer.Hits(l.Duration), Sent: uint64(len(t.lags)), Completed: t.completed,
		MaxLag: Quantile(t.lags, 1), P99Lag: Quantile(t.lags, 0.99),
	}
	for i := len(t.lags) - 1; i >= 0 && t.lags[i] > tolerance.Late; i-- {
		s.Late++
	}
	switch {
	case t.exhausted > 0:
		s.Reason = fmt.Sprintf("load %s: for %d of %d requests this machine had no file descriptor or port left: raise its limits or set a bound of connections",
			l.Name, t.exhausted, s.Sent)
	case float64(s.Late) > tolerance.Share*float64(s.Sent):
		s.Reason = fmt.Sprintf("load %s: %.1f %% of %d requests were sent more than %s late, the worst by %s: this machine could not offer %s",
			l.Name, 100*float64(s.Late)/float64(s.Sent), s.Sent, tolerance.Late, s.MaxLag.Round(time.Millisecond), l.Pacer)
	case s.Sent < s.Offered:
		s.Stopped = true
		s.Reason = fmt.Sprintf("load %s: %d of %d requests were never sent, the run was stopped before they were due or could be sent",
			l.Name, s.Offered-s.Sent, s.Offered)
	}
	s.Behind = s.Reason != ""
	return s
}
