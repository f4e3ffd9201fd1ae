package live

import (
	"context"
	"fmt"
	"time"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// declareFaults puts the rules of all delays and aborts into the routes, switched off, so that arming one changes no route.
func (r *runner) declareFaults(ctx context.Context) error {
	for i, item := range r.file.Spec.Timeline {
		f := plan.Leased(item.Fault)
		if f == nil {
			continue
		}
		if r.slots >= model.LeaseSlots {
			return fmt.Errorf("%s: a scenario has room for %d delays and aborts", r.file.Where(plan.Where(i)), model.LeaseSlots)
		}
		f.ID, f.Slot = fmt.Sprintf("timeline[%d]", i), i
		if _, err := r.lab.Client().SetLease(ctx, r.slots, f); err != nil {
			return fmt.Errorf("declare a fault: %w", err)
		}
		r.slots++
	}
	return nil
}

// slotOf is the lease of a timeline item: delays and aborts are numbered in their order.
func (r *runner) slotOf(index int) int {
	n := 0
	for _, item := range r.file.Spec.Timeline[:index] {
		if plan.Leased(item.Fault) != nil {
			n++
		}
	}
	return n
}

func (r *runner) fault(index int, f *spec.Fault, what string) happening {
	if plan.Leased(f) != nil {
		return r.leasedFault(r.slotOf(index), f, what)
	}
	return r.breakage(index, f, what)
}

func (r *runner) leasedFault(slot int, f *spec.Fault, what string) happening {
	rule := plan.Leased(f)
	flag := "FI"
	if rule.Delay != nil {
		flag = "DI"
	}
	arm := func(ctx context.Context, on bool) error {
		armed := *rule
		armed.ID, armed.Armed = what, on
		_, err := r.lab.Client().SetLease(ctx, slot, &armed)
		return err
	}
	var stop context.CancelFunc
	renewed := make(chan error, 1)
	return happening{
		begin: func(ctx context.Context) error {
			if err := arm(ctx, true); err != nil {
				return err
			}
			var renewing context.Context
			renewing, stop = context.WithCancel(ctx) //nolint:gosec // called where the fault ends
			go func() { renewed <- r.renew(renewing, slot) }()
			return nil
		},
		end: func(ctx context.Context) error {
			stop()
			if err := <-renewed; err != nil {
				return err
			}
			return arm(ctx, false)
		},
		evidence: func(e record.Event) (string, string) {
			from, to := r.t0.Add(e.At), r.t0.Add(e.Until)
			n := 0
			for _, h := range r.run.Hops {
				if h.HasFlag(flag) && !h.Time.Before(from) && h.Time.Before(to) && h.To(rule.Host) {
					n++
				}
			}
			if n == 0 {
				return "", fmt.Sprintf("no call carries the response flag %s: the fault (%s) was not injected", flag, what)
			}
			return fmt.Sprintf("%d calls carry the response flag %s", n, flag), ""
		},
	}
}

// renew keeps a lease alive until the context ends.
func (r *runner) renew(ctx context.Context, slot int) error {
	tick := time.NewTicker(mesh.LeaseTime / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := r.lab.Client().Renew(ctx, slot); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (r *runner) setDown(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

// gap notes why the run cannot be judged.
func (r *runner) gap(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run.Gaps = append(r.run.Gaps, text)
}

func (r *runner) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.run.Notes = append(r.run.Notes, text)
}
