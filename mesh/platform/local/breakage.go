package local

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/proc"
)

// broken is a breakage in force.
type broken struct {
	platform.Breakage
	instance *Instance
	met      uint64
}

// Break breaks something, under an id by which it is mended. seen says how it is known to be broken, and is empty where that is known
// only when it is mended, or not at all.
func (l *Lab) Break(ctx context.Context, id string, b platform.Breakage) (seen string, err error) {
	one := &broken{Breakage: b}
	switch {
	case b.Kill != nil:
		seen, err = l.breakProcesses(ctx, one, b.Kill, l.Kill, proc.Gone)
	case b.Pause != nil:
		seen, err = l.breakProcesses(ctx, one, b.Pause, l.Pause, proc.Stopped)
	case b.ControlPlane:
		seen, err = "its process had ended", l.StopControlPlane(ctx)
	case b.Network != nil && b.Network.Loss > 0:
		err = l.dropPackets(id, b.Network)
	case b.Network != nil:
		err = l.breakNetwork(ctx, id, one)
	case b.DNS:
		_, err = l.net.failNames(true)
	default:
		return "", fmt.Errorf("nothing is named that could be broken")
	}
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breakages[id] = one
	return seen, nil
}

func (l *Lab) breakProcesses(
	ctx context.Context, one *broken, p *platform.Processes, act func(context.Context, *Instance, platform.Target) error, want proc.State,
) (string, error) {
	i, ok := l.find(p.Workload)
	if !ok {
		return "", fmt.Errorf("there is no workload %q", p.Workload)
	}
	one.instance = i
	if err := act(ctx, i, p.Which()); err != nil {
		return "", err
	}
	for _, s := range l.State(i, p.Which()) {
		if s != want {
			return "", nil
		}
	}
	return "the kernel showed every process of it in that state", nil
}

func (l *Lab) breakNetwork(ctx context.Context, id string, one *broken) error {
	n := one.Network
	relays := l.Relays(n.Pair)
	if len(relays) == 0 {
		return fmt.Errorf("no relay was started between %s: its network cannot be broken", n.Pair)
	}
	one.met = l.met(n)
	for _, r := range relays {
		if err := r.Set(ctx, id, n.Fault); err != nil {
			return err
		}
	}
	return nil
}

// met counts what a network fault can meet.
func (l *Lab) met(n *platform.NetworkFault) (sum uint64) {
	for _, r := range l.Relays(n.Pair) {
		if n.Fault.Reset {
			sum += r.Resets()
		} else {
			sum += r.Passed()
		}
	}
	return sum
}

// Mend undoes a breakage; one that is not in force needs nothing. seen says what it met, where that is known only now.
func (l *Lab) Mend(ctx context.Context, id string) (seen string, err error) {
	l.mu.Lock()
	one := l.breakages[id]
	delete(l.breakages, id)
	l.mu.Unlock()
	switch {
	case one == nil:
		return "", nil
	case one.Kill != nil:
		return "", l.Revive(ctx, one.instance, one.Kill.Which())
	case one.Pause != nil:
		return "", l.Resume(ctx, one.instance, one.Pause.Which())
	case one.ControlPlane:
		return "", l.StartControlPlane(ctx)
	case one.DNS:
		n, err := l.net.failNames(false)
		return counted(n, "questions for names failed"), err
	case one.Network.Loss > 0:
		n, err := l.net.undrop(id)
		return counted(n, "packets were dropped"), err
	}
	met := l.met(one.Network) - one.met
	for _, r := range l.Relays(one.Network.Pair) {
		r.Clear(ctx, id)
	}
	switch {
	case met == 0:
		return "", nil
	case one.Network.Fault.Reset:
		return fmt.Sprintf("the relay reset %d connections", met), nil
	}
	return fmt.Sprintf("callers sent %d times through the relay meanwhile", met), nil
}

// counted says how often something happened; nothing is no evidence.
func counted(n uint64, what string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s", n, what)
}

// dropPackets makes those between the workloads of a pair get lost, both ways.
func (l *Lab) dropPackets(id string, n *platform.NetworkFault) error {
	met := false
	for _, caller := range l.running() {
		for _, called := range l.running() {
			if !n.Pair.Joins(&caller.Instance, &called.Instance) {
				continue
			}
			met = true
			if err := l.net.drop(id, caller, called, n.Loss); err != nil {
				_, undo := l.net.undrop(id)
				return errors.Join(err, undo)
			}
		}
	}
	if !met {
		return fmt.Errorf("no workload is %q, or none %q: there is no network between them to break", n.Pair.From, n.Pair.To)
	}
	return nil
}

// undo mends everything, and ends all faults by rules.
func (l *Lab) undo(ctx context.Context) error {
	err := l.MendAll(ctx)
	for slot := range model.LeaseSlots {
		_, e := l.client.SetLease(ctx, slot, nil)
		err = errors.Join(err, e)
	}
	return err
}

// MendAll undoes everything that is broken.
func (l *Lab) MendAll(ctx context.Context) error {
	l.mu.Lock()
	var ids []string
	for id := range l.breakages {
		ids = append(ids, id)
	}
	l.mu.Unlock()
	var problems []string
	for _, id := range ids {
		if _, err := l.Mend(ctx, id); err != nil {
			problems = append(problems, err.Error())
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("not everything could be mended: %s", strings.Join(problems, "; "))
	}
	return nil
}
