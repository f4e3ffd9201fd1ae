package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
)

// Kept is a platform whose lab serves one deployment after the other, for one user at a time. A deployment that differs from the last in its
// rules alone gets the same processes, set back: nothing is broken, no rule of the last is in force, nothing is under way, everything that
// was reported has come. Where that cannot be had, because processes came or went or something stays busy, a new lab takes the old one's
// place. Close ends the lab.
type Kept struct {
	Options Options
	// Restore undoes what the lab does not know of; it may be nil.
	Restore func(context.Context, []*platform.Instance) error
	// Turn is waited for before a lab starts, and what it gives is called when it has; it may be nil.
	Turn func(context.Context) (done func(), err error)

	spec platform.Spec
	lab  *collected
	labs int
	// Reused is how many deployments found a lab in which they could be.
	Reused int
}

// Info is that of the labs' form.
func (k *Kept) Info() platform.Info { return k.Options.Form.Info() }

// Start gives the lab that is up, set back, or a new one.
func (k *Kept) Start(ctx context.Context, s platform.Spec) (platform.Deployment, error) {
	if k.lab != nil && k.fits(s) {
		if before, err := k.lab.setBack(ctx, k.Restore, s.Rules); err == nil {
			k.Reused++
			return k.lend(ctx, before), nil
		}
	}
	if err := errors.Join(k.Close(), ctx.Err()); err != nil {
		return nil, err
	}
	if k.Turn != nil {
		done, err := k.Turn(ctx)
		if err != nil {
			return nil, err
		}
		defer done()
	}
	p := Platform{k.Options}
	p.Dir = filepath.Join(k.Options.Dir, strconv.Itoa(k.labs))
	k.labs++
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder of the lab: %w", err)
	}
	d, err := p.Start(ctx, s)
	if err != nil {
		return nil, err
	}
	k.spec, k.lab = s, d.(*collected)
	return k.lend(ctx, nil), nil
}

// Close ends the lab, if one is up.
func (k *Kept) Close() error {
	if k.lab == nil {
		return nil
	}
	lab := k.lab
	k.lab = nil
	return lab.Close()
}

// fits reports whether a deployment differs from the lab that is up in its rules alone.
func (k *Kept) fits(s platform.Spec) bool {
	return s.AppDir == k.spec.AppDir && s.Exact == k.spec.Exact && slices.Equal(s.Relayed, k.spec.Relayed) && reflect.DeepEqual(s.App, k.spec.App)
}

// lent is a lab that outlives its deployment, with what is reported meanwhile.
type lent struct {
	*collected
	since *collect.Collector
}

// Collected is what the proxies have reported since the deployment started.
func (l *lent) Collected() *collect.Collector { return l.since }

// Close leaves the lab up.
func (l *lent) Close() error { return l.since.Close() }

// lend begins to collect for a deployment, before which its proxies had counted this.
func (k *Kept) lend(ctx context.Context, before map[string]platform.Traffic) *lent {
	from := k.lab.collector
	hops := from.Ledger.Len()
	_, spans := from.SpansFrom(1 << 60)
	source := collect.Source{
		Every: followEvery, Requests: map[string]int{}, Connections: map[string]int{},
		Next: func(context.Context) (news collect.News, err error) {
			news.Hops = from.Ledger.From(hops)
			hops += len(news.Hops)
			news.Spans, spans = from.SpansFrom(spans)
			return news, nil
		},
	}
	for id, t := range before {
		source.Requests[id], source.Connections[id] = int(t.Completed), int(t.Connections)
		source.Spans += int(t.Spans)
	}
	return &lent{k.lab, collect.Follow(ctx, source)}
}

// setBack makes the lab what it was when it had started, with other rules, and tells what its proxies have counted so far, by their ids. An
// error says that it cannot be told to be what it was.
func (c *collected) setBack(
	ctx context.Context, restore func(context.Context, []*platform.Instance) error, rules []config.File,
) (before map[string]platform.Traffic, err error) {
	select {
	case err := <-c.failed:
		return nil, err
	default:
	}
	if !c.original() {
		return nil, errors.New("processes came or went")
	}
	if revokes(c.rules) {
		return nil, errors.New("identities were revoked, and what is revoked stays so")
	}
	err = c.undo(ctx)
	if restore != nil {
		err = errors.Join(err, restore(ctx, c.Instances()))
	}
	if err != nil {
		return nil, err
	}
	if before, err = c.quiet(ctx); err != nil {
		return nil, err
	}
	// Without rules first: what a proxy knows of endpoints it has thrown out, of limits and of budgets goes with the rule that it is for.
	for _, next := range [][]config.File{nil, rules} {
		c.mu.Lock()
		c.rules = next
		c.mu.Unlock()
		if err := c.applyAll(ctx); err != nil {
			return nil, err
		}
	}
	return before, c.settle(ctx)
}

// revokes reports whether some rule revokes identities.
func revokes(rules []config.File) bool {
	docs, _ := config.Parse(rules...)
	return slices.ContainsFunc(docs, func(d *config.Document) bool { return d.Kind == "Revocation" })
}

// original reports whether the lab has the processes with which it started.
func (l *Lab) original() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.planned) == 0 && len(l.instances) == l.started
}

// The times of quiet: how long it is waited for, how often it is asked, and for how long nothing may come. Proxies keep
// what they log for 20 ms, and spans for 50.
const (
	quietTimeout = 2 * time.Second
	quietPoll    = 10 * time.Millisecond
	quietTime    = 120 * time.Millisecond
)

// quiet waits until no proxy has a request under way, all that they completed was reported, and nothing more comes: of a request that was
// given up a log may tell that counts for nobody. It gives what they have counted.
func (c *collected) quiet(ctx context.Context) (map[string]platform.Traffic, error) {
	ctx, cancel := context.WithTimeout(ctx, quietTimeout)
	defer cancel()
	came, since := -1, time.Now()
	for {
		traffic, busy, err := c.traffic(ctx)
		if err != nil {
			return nil, err
		}
		if n := c.collector.Ledger.Len() + c.collector.SpanCount(); busy != "" || n != came {
			came, since = n, time.Now()
		}
		if busy == "" && time.Since(since) >= quietTime {
			return traffic, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.New(busy)
		case <-time.After(quietPoll):
		}
	}
}

// traffic asks the proxies what they have counted; busy says what is still under way, or "".
func (c *collected) traffic(ctx context.Context) (all map[string]platform.Traffic, busy string, err error) {
	logged, connections := c.collector.Ledger.Counts(), c.collector.Ledger.Connections()
	all = map[string]platform.Traffic{}
	for _, i := range c.Instances() {
		t, err := platform.TrafficOf(ctx, i)
		if err != nil {
			return nil, "", err
		}
		if what := t.Pending(i.Name, logged[i.ID()], connections[i.ID()]); what != "" {
			busy = what
		}
		all[i.ID()] = t
	}
	return all, busy, nil
}
