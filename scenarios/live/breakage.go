package live

import (
	"context"
	"fmt"
	"strings"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/relay"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// breakage breaks processes or the network, which the lab itself does and undoes.
func (r *runner) breakage(index int, f *spec.Fault) happening {
	b, what := asked(f)
	id := fmt.Sprintf("timeline[%d]", index)
	var before, after string
	return happening{
		kind: "fault", what: what,
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
func asked(f *spec.Fault) (b platform.Breakage, what string) {
	processes := func(verb string, p *spec.Process) *platform.Processes {
		out := &platform.Processes{Workload: p.Workload, Target: platform.Target(p.Target)}
		if out.Target == "" {
			out.Target = platform.App
		}
		what = fmt.Sprintf("%s the %s of %s", verb, out.Target, p.Workload)
		return out
	}
	switch {
	case f.Kill != nil:
		b.Kill = processes("kill", f.Kill)
	case f.Pause != nil:
		b.Pause = processes("pause", f.Pause)
	case f.ControlPlane != "":
		b.ControlPlane, what = true, "stop the control plane"
	case f.DNS != "":
		b.DNS, what = true, "questions for names fail"
	default:
		b.Network, what = network(f.NetworkKind())
	}
	return b, what
}

func network(kind string, n *spec.Network) (fault *platform.NetworkFault, what string) {
	pair := platform.Pair{From: n.From, To: n.To}
	f := relay.Fault{}
	loss := 0.0
	switch kind {
	case "latency":
		f.Latency, f.Jitter = n.Fixed.D(), n.Jitter.D()
		what = fmt.Sprintf("latency of %s between %s", n.Fixed, pair)
	case "bandwidth":
		f.Bandwidth = int64(n.Rate)
		what = fmt.Sprintf("no more than %s between %s", n.Rate, pair)
	case "stall":
		f.Stall = true
		what = "stall the network between " + pair.String()
	case "reset":
		f.Reset = true
		what = "reset connections between " + pair.String()
	case "partition":
		loss, what = 100, "no packet passes between "+pair.String()
	case "loss":
		loss = *n.Percent
		what = fmt.Sprintf("%g %% of the packets between %s get lost", loss, pair)
	}
	return &platform.NetworkFault{Pair: pair, Fault: f, Loss: loss}, what
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
	h := r.breakage(index, &spec.Fault{Kill: p})
	kill, revive := h.begin, h.end
	return happening{
		kind: "restart", what: strings.Replace(h.what, "kill", "restart", 1),
		begin: func(ctx context.Context) error {
			if err := kill(ctx); err != nil {
				return err
			}
			return revive(ctx)
		},
	}
}
