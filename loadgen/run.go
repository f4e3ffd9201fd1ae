package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"golang.org/x/sync/errgroup"
)

// workersAtFirst are started with a load; more follow as they are needed.
const workersAtFirst = 10

// Run drives loads on one time base: request n of a load is due at start plus its Pacer's Due(n). It returns when every
// request sent has ended, with a summary per load in the order given.
//
// sink, if it is not nil, gets each result as it ends; calls do not overlap. It should be quick: it holds up others' ends,
// though not the times in them.
//
// Errors: loads that do not pass Check; a login that failed, or that took until after the start; nothing was sent then, and
// there is no summary. When ctx ends, requests in flight end as canceled and none follow: Run returns summaries and ctx's
// cause.
func Run(ctx context.Context, start time.Time, loads []Load, sink func(Result)) ([]Summary, error) {
	if err := checkAll(loads); err != nil {
		return nil, err
	}
	var mu sync.Mutex
	tallies := make([]tally, len(loads))
	senders := make([]*sender, len(loads))
	for i := range loads {
		l := loads[i]
		tally := &tallies[i]
		tally.lags = make([]time.Duration, 0, min(l.Pacer.Hits(l.Duration), 1<<20))
		s := &sender{load: &l, ctx: ctx, start: start, transports: l.transports()}
		s.done = func(r *Result) {
			mu.Lock()
			defer mu.Unlock()
			tally.add(r)
			if sink != nil {
				sink(*r)
			}
		}
		senders[i] = s
		defer s.close()
	}
	if err := logins(start, senders); err != nil { //nolint:contextcheck // each sender has the context of the run
		return nil, err
	}
	var all sync.WaitGroup
	for _, s := range senders {
		all.Go(s.run)
	}
	all.Wait()
	summaries := make([]Summary, len(loads))
	for i, s := range senders {
		summaries[i] = tallies[i].summary(s.load)
	}
	return summaries, context.Cause(ctx)
}

func logins(start time.Time, senders []*sender) error {
	var group errgroup.Group
	errs := make([]error, len(senders))
	for i, s := range senders {
		group.Go(func() error {
			var err error
			s.cookies, err = s.login()
			if late := time.Since(start); err == nil && s.load.Login != nil && late > 0 {
				err = fmt.Errorf("it took until %s after the start of the load", late.Round(time.Millisecond))
			}
			if err != nil {
				errs[i] = fmt.Errorf("load %q: login: %w", s.load.Name, err)
			}
			return nil
		})
	}
	_ = group.Wait() // errors are collected one by one, so that all are told
	return errors.Join(errs...)
}

// run attacks until the schedule is over and all requests have ended.
func (s *sender) run() {
	maximum := uint64(math.MaxUint64)
	if s.load.MaxWorkers > 0 {
		maximum = uint64(s.load.MaxWorkers)
	}
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     s,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.Workers(min(workersAtFirst, maximum)), vegeta.MaxWorkers(maximum),
	)
	// The target is a placeholder: the order in which targets are asked for is not that of the requests' numbers.
	targeter := func(t *vegeta.Target) error {
		t.Method, t.URL = http.MethodGet, "http://placeholder/"
		return nil
	}
	for range attacker.Attack(targeter, newClock(s), 0, "") { //nolint:revive // results went to the sink already
	}
}
