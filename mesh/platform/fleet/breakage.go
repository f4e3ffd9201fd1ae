package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/proc"
)

// broken is a breakage in force.
type broken struct {
	platform.Breakage
	// agents are those that keep it up as long as they are asked to.
	agents []*agent.Client
	member *member
	links  []link
	met    uint64
}

// Break breaks something, under an id by which it is mended.
func (l *Lab) Break(ctx context.Context, id string, b platform.Breakage) (seen string, err error) {
	one := &broken{Breakage: b}
	switch {
	case b.Kill != nil:
		seen, err = l.breakProcesses(ctx, one, b.Kill, agent.Kill, proc.Gone)
	case b.Pause != nil:
		seen, err = l.breakProcesses(ctx, one, b.Pause, agent.Pause, proc.Stopped)
	case b.ControlPlane:
		one.agents = []*agent.Client{l.control.proxy}
		seen = "its process had ended"
		_, err = l.control.proxy.Act(ctx, agent.Stop)
	case b.Network != nil && b.Network.Loss == 0:
		err = l.breakNetwork(ctx, id, one)
	default:
		return "", fmt.Errorf("a lab on %s cannot have this fault", l.host.Info().Form)
	}
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breakages[id] = one
	return seen, nil
}

// agents are those of a member's processes that are meant.
func (m *member) agents(t platform.Target) []*agent.Client {
	var out []*agent.Client
	if t != platform.Sidecar && m.app != nil {
		out = append(out, m.app)
	}
	if t != platform.App {
		out = append(out, m.proxy)
	}
	return out
}

func (l *Lab) breakProcesses(ctx context.Context, one *broken, p *platform.Processes, action string, want proc.State) (seen string, err error) {
	shown, ok := l.Instance(p.Workload)
	if !ok {
		return "", fmt.Errorf("there is no workload %q", p.Workload)
	}
	one.member = l.own(shown)
	if one.member.pod.Kind == Injected && p.Which() != platform.Sidecar {
		return "", fmt.Errorf("the app of %s is in a container of its own, out of the lab's reach: its sidecar can be the target", p.Workload)
	}
	one.agents = one.member.agents(p.Which())
	seen = "the kernel showed every process of it in that state"
	for _, a := range one.agents {
		s, err := a.Act(ctx, action)
		if err != nil {
			return "", fmt.Errorf("%s %s: %w", action, p.Workload, err)
		}
		if s.State != want.String() {
			seen = ""
		}
	}
	return seen, nil
}

// Mend undoes a breakage; one that is not in force needs nothing.
func (l *Lab) Mend(ctx context.Context, id string) (seen string, err error) {
	l.mu.Lock()
	one := l.breakages[id]
	delete(l.breakages, id)
	l.mu.Unlock()
	switch {
	case one == nil:
		return "", nil
	case one.Kill != nil:
		return "", l.revive(ctx, one)
	case one.Pause != nil:
		for _, a := range one.agents {
			if _, e := a.Act(ctx, agent.Resume); e != nil {
				err = errors.Join(err, e)
			}
		}
		return "", err
	case one.ControlPlane:
		return "", l.restartControlPlane(ctx)
	}
	return l.mendNetwork(ctx, id, one)
}

// revive starts again what was killed, and returns when it serves.
func (l *Lab) revive(ctx context.Context, one *broken) error {
	m := one.member
	for _, a := range one.agents {
		if _, err := a.Act(ctx, agent.Start); err != nil {
			return err
		}
	}
	if one.Kill.Which() != platform.Sidecar && m.app != nil {
		if err := l.listening(ctx, m); err != nil {
			return err
		}
	}
	if one.Kill.Which() == platform.App {
		return nil
	}
	if err := until(ctx, m.proxy, m.Admin().Ready); err != nil {
		return err
	}
	return l.client.WaitLive(ctx, m.ID())
}

// renew keeps up what is broken, until the context ends.
func (l *Lab) renew(ctx context.Context) {
	tick := time.NewTicker(agent.LeaseTime / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		l.mu.Lock()
		var agents []*agent.Client
		for _, one := range l.breakages {
			agents = append(agents, one.agents...)
		}
		l.mu.Unlock()
		for _, a := range agents {
			_ = a.Renew(ctx) // one that is out of reach is noticed by who watches it
		}
	}
}
