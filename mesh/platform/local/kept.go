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
	"github.com/squallmesh/squall/mesh/model"
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
		if err := k.lab.setBack(ctx, k.Restore, s.Rules); err == nil {
			k.Reused++
			return k.lend(ctx), nil
		}
	}
	if err := errors.Join(k.Close(), ctx.Err()); err != nil {
		return nil, err
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
	return k.lend(ctx), nil
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

func (k *Kept) lend(ctx context.Context) *lent {
	from := k.lab.collector
	hops, requests := from.Ledger.Len(), from.Ledger.Counts()
	_, spans := from.SpansFrom(1 << 60)
	all := 0
	for _, n := range requests {
		all += n
	}
	return &lent{k.lab, collect.Follow(ctx, collect.Source{
		// As if each request had its span, though a mirror's copy has none: else those would be waited for.
		Every: followEvery, Requests: requests, Connections: from.Ledger.Connections(), Spans: all,
		Next: func(context.Context) (news collect.News, err error) {
			news.Hops = from.Ledger.From(hops)
			hops += len(news.Hops)
			news.Spans, spans = from.SpansFrom(spans)
			return news, nil
		},
	})}
}

// setBack makes the lab what it was when it had started, with other rules. An error says that it cannot be told to be.
func (c *collected) setBack(ctx context.Context, restore func(context.Context, []*platform.Instance) error, rules []config.File) error {
	select {
	case err := <-c.failed:
		return err
	default:
	}
	if !c.original() {
		return errors.New("processes came or went")
	}
	err := c.MendAll(ctx)
	for slot := range model.LeaseSlots {
		_, e := c.client.SetLease(ctx, slot, nil)
		err = errors.Join(err, e)
	}
	if restore != nil {
		err = errors.Join(err, restore(ctx, c.Instances()))
	}
	if err != nil {
		return err
	}
	if err := c.quiet(ctx); err != nil {
		return err
	}
	// Without rules first: what a proxy knows of endpoints it has thrown out, of limits and of budgets goes with the rule that it is for.
	for _, next := range [][]config.File{nil, rules} {
		c.mu.Lock()
		c.rules = next
		c.mu.Unlock()
		if err := c.applyAll(ctx); err != nil {
			return err
		}
	}
	return c.settle(ctx)
}

// original reports whether the lab has the processes with which it started.
func (l *Lab) original() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.planned) == 0 && len(l.instances) == l.started
}

// The times of quiet: how long it is waited for, and how often it is asked.
const (
	quietTimeout = 3 * time.Second
	quietPoll    = 10 * time.Millisecond
)

// quiet waits until no proxy has a request under way, and all that proxies say they logged has come.
func (c *collected) quiet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, quietTimeout)
	defer cancel()
	for {
		busy, err := c.busy(ctx)
		if busy == "" || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New(busy)
		case <-time.After(quietPoll):
		}
	}
}

// busy says what is under way, or "".
func (c *collected) busy(ctx context.Context) (string, error) {
	logged, connections := c.collector.Ledger.Counts(), c.collector.Ledger.Connections()
	for _, i := range c.Instances() {
		t, err := platform.TrafficOf(ctx, i)
		if err != nil {
			return "", err
		}
		if t.Active > 0 || uint64(logged[i.ID()]) != t.Completed || uint64(connections[i.ID()]) != t.Connections {
			return fmt.Sprintf("%s has %d requests under way, and reported %d of %d requests and %d of %d connections",
				i.Name, t.Active, logged[i.ID()], t.Completed, connections[i.ID()], t.Connections), nil
		}
	}
	return "", nil
}
