package envoy

import (
	"context"
	"errors"
	"time"

	"github.com/squallmesh/squall/mesh/proc"
)

// Defaults of [RestartPolicy].
const (
	DefaultMinBackOff = 100 * time.Millisecond
	DefaultMaxBackOff = 5 * time.Second
	DefaultStable     = 10 * time.Second
)

// RestartPolicy says how [Supervise] starts an Envoy anew. The zero value is ready to use.
type RestartPolicy struct {
	MinBackOff time.Duration // wait before the first new start; doubled each time. 0 means 100 ms
	MaxBackOff time.Duration // limit of the wait. 0 means 5 s
	Stable     time.Duration // an Envoy that lived so long starts with MinBackOff again. 0 means 10 s

	Started func(*Envoy) // called when an Envoy is ready; may be nil
	Ended   func(error)  // called when one ended unasked or did not become ready, before the wait; may be nil
}

// stopGrace is how long Supervise gives an Envoy between SIGTERM and SIGKILL.
const stopGrace = 2 * time.Second

// Supervise keeps an Envoy running until ctx ends, then stops it and returns nil. It returns an error at once if the very
// first one does not become ready: that is a mistake in its options and not bad luck.
func Supervise(ctx context.Context, owner *proc.Owner, opts Options, policy RestartPolicy) error {
	policy = policy.withDefaults()
	wait := policy.MinBackOff
	for first := true; ; first = false {
		began := time.Now()
		ready, err := superviseOne(ctx, owner, opts, policy)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // asked to end
		}
		if errors.Is(err, proc.ErrClosed) || first && !ready {
			return err
		}
		policy.Ended(err)
		if time.Since(began) >= policy.Stable {
			wait = policy.MinBackOff
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		wait = min(2*wait, policy.MaxBackOff)
	}
}

// superviseOne runs one Envoy to its end, and tells whether it had become ready.
func superviseOne(ctx context.Context, owner *proc.Owner, opts Options, policy RestartPolicy) (ready bool, err error) {
	e, err := Start(ctx, owner, opts)
	if err != nil {
		return false, err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		err = errors.Join(err, e.Stop(stop))
	}()
	if err := e.Ready(ctx); err != nil {
		return false, err
	}
	policy.Started(e)
	select {
	case <-ctx.Done():
		return true, nil
	case <-e.Done():
		if err := e.Err(); err != nil {
			return true, err
		}
		return true, errors.New("Envoy " + e.id + " ended by itself with status 0")
	}
}

func (p RestartPolicy) withDefaults() RestartPolicy {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&p.MinBackOff, DefaultMinBackOff}, {&p.MaxBackOff, DefaultMaxBackOff}, {&p.Stable, DefaultStable}} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	if p.Started == nil {
		p.Started = func(*Envoy) {}
	}
	if p.Ended == nil {
		p.Ended = func(error) {}
	}
	return p
}
