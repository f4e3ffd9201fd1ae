package live

import (
	"context"
	"fmt"

	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/mesh/relay"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// relayed lists the pairs of workloads whose network some fault of the timeline breaks.
func relayed(items []spec.Item) []local.Pair {
	var out []local.Pair
	for _, item := range items {
		if _, n := item.Fault.NetworkKind(); n != nil {
			out = append(out, local.Pair{From: n.From, To: n.To})
		}
	}
	return out
}

// network breaks the network between workloads, at the relays that their connections pass.
func (r *runner) network(index int, kind string, n *spec.Network) happening {
	between := "everybody and " + n.To
	if n.From != "" {
		between = n.From + " and " + n.To
	}
	f, what := relay.Fault{}, ""
	switch kind {
	case "latency":
		f.Latency, f.Jitter = n.Fixed.D(), n.Jitter.D()
		what = fmt.Sprintf("latency of %s between %s", n.Fixed, between)
	case "bandwidth":
		f.Bandwidth = int64(n.Rate)
		what = fmt.Sprintf("no more than %s between %s", n.Rate, between)
	case "stall":
		f.Stall = true
		what = "stall the network between " + between
	case "reset":
		f.Reset = true
		what = "reset connections between " + between
	}
	relays := r.lab.Relays(local.Pair{From: n.From, To: n.To})
	name := fmt.Sprintf("timeline[%d]", index)
	count := func() (sum uint64) {
		for _, l := range relays {
			if kind == "reset" {
				sum += l.Resets()
			} else {
				sum += l.Passed()
			}
		}
		return sum
	}
	var before, met uint64
	return happening{
		kind: "fault", what: what,
		begin: func(ctx context.Context) error {
			before = count()
			for _, l := range relays {
				if err := l.Set(ctx, name, f); err != nil {
					return err
				}
			}
			return nil
		},
		end: func(ctx context.Context) error {
			met = count() - before
			for _, l := range relays {
				l.Clear(ctx, name)
			}
			return nil
		},
		evidence: func(record.Event) (string, string) {
			switch {
			case met == 0:
				return "", "nothing was sent between " + between + " meanwhile: the fault (" + what + ") met no traffic"
			case kind == "reset":
				return fmt.Sprintf("the relay reset %d connections", met), ""
			}
			return fmt.Sprintf("callers sent %d times through the relay meanwhile", met), ""
		},
	}
}
