package live

import (
	"cmp"
	"context"
	"fmt"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/relay"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// breakage breaks processes or the network, which the lab itself does and undoes.
func (r *runner) breakage(index int, f *spec.Fault, what string) happening {
	b := asked(f)
	id := fmt.Sprintf("timeline[%d]", index)
	var before, after string
	return happening{
		begin: func(ctx context.Context) (err error) {
			if b.ControlPlane {
				r.setDown(true)
			}
			before, err = r.lab.Break(ctx, id, b)
			if b.Kill != nil && b.Kill.Target != platform.App {
				r.note("the proxy of " + b.Kill.Workload + " was killed: what it had not reported yet is lost")
			}
			return err
		},
		end: func(ctx context.Context) (err error) {
			after, err = r.lab.Mend(ctx, id)
			if b.ControlPlane && err == nil {
				r.setDown(false)
			}
			if b.Kill != nil && b.Kill.Target != platform.Sidecar && err == nil {
				err = r.teachAgain(ctx, b.Kill.Workload)
			}
			return err
		},
		evidence: func(record.Event) (string, string) {
			switch {
			case before+after != "":
				return before + after, ""
			case b.DNS:
				return "", "nobody asked for a name meanwhile: the fault (" + what + ") met no traffic"
			case b.Network != nil:
				return "", "nothing was sent between " + b.Network.Pair.String() + " meanwhile: the fault (" + what + ") met no traffic"
			}
			return "", "the processes were not seen in the state that the fault (" + what + ") means"
		},
	}
}

// asked says in the lab's terms what a fault breaks.
func asked(f *spec.Fault) (b platform.Breakage) {
	processes := func(p *spec.Process) *platform.Processes {
		return &platform.Processes{Workload: p.Workload, Target: cmp.Or(platform.Target(p.Target), platform.App)}
	}
	switch {
	case f.Kill != nil:
		b.Kill = processes(f.Kill)
	case f.Pause != nil:
		b.Pause = processes(f.Pause)
	case f.ControlPlane != "":
		b.ControlPlane = true
	case f.DNS != "":
		b.DNS = true
	default:
		b.Network = network(f.NetworkKind())
	}
	return b
}

func network(kind string, n *spec.Network) *platform.NetworkFault {
	f := relay.Fault{}
	loss := 0.0
	switch kind {
	case "latency":
		f.Latency, f.Jitter = n.Fixed.D(), n.Jitter.D()
	case "bandwidth":
		f.Bandwidth = int64(n.Rate)
	case "stall":
		f.Stall = true
	case "reset":
		f.Reset = true
	case "partition":
		loss = 100
	case "loss":
		loss = *n.Percent
	}
	return &platform.NetworkFault{Pair: platform.Pair{From: n.From, To: n.To}, Fault: f, Loss: loss}
}

// relayed lists the pairs of workloads whose network some fault of the timeline breaks.
func relayed(items []spec.Item) []platform.Pair {
	var out []platform.Pair
	for _, item := range items {
		if _, n := item.Fault.NetworkKind(); n != nil && item.Fault.NeedsPods() == "" {
			out = append(out, platform.Pair{From: n.From, To: n.To})
		}
	}
	return out
}

// restart kills processes and starts them again at once.
func (r *runner) restart(index int, p *spec.Process) happening {
	h := r.breakage(index, &spec.Fault{Kill: p}, "")
	kill, revive := h.begin, h.end
	return happening{
		begin: func(ctx context.Context) error {
			if err := kill(ctx); err != nil {
				return err
			}
			return revive(ctx)
		},
	}
}
