package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/scenarios/spec"
)

// Words say of what kind an item is, and for people what it does. files are those of its apply.
func Words(item spec.Item, files []config.File) (kind, what string) {
	switch {
	case item.Fault != nil:
		return "fault", fault(item.Fault)
	case item.Apply != nil:
		var names []string
		for _, f := range files {
			names = append(names, f.Name)
		}
		return "apply", "apply " + strings.Join(names, ", ")
	case item.Delete != nil:
		var names []string
		for _, ref := range item.Delete {
			names = append(names, ref.Kind+" "+ref.Name)
		}
		return "delete", "delete " + strings.Join(names, ", ")
	case item.Hold != nil:
		return "hold", "hold requests at the backend"
	case item.Release != nil && item.Release.Count != nil:
		return "release", fmt.Sprintf("release %d held requests", *item.Release.Count)
	case item.Release != nil:
		return "release", "release all held requests"
	case item.Script != nil:
		return "script", script(item.Script)
	case item.Scale != nil:
		return "scale", fmt.Sprintf("scale %s to %d", item.Scale.Workload, item.Scale.Replicas)
	case item.Restart != nil:
		return "restart", processes("restart", item.Restart)
	}
	return "phase", "phase " + item.Name
}

func fault(f *spec.Fault) string {
	switch leased := Leased(f); {
	case leased != nil && leased.Delay != nil:
		return fmt.Sprintf("delay calls to %s by %s", f.Delay.To, leased.Delay.Fixed)
	case leased != nil:
		return fmt.Sprintf("abort calls to %s with %d", f.Abort.To, leased.Abort.HTTPStatus)
	case f.Kill != nil:
		return processes("kill", f.Kill)
	case f.Pause != nil:
		return processes("pause", f.Pause)
	case f.ControlPlane != "":
		return "stop the control plane"
	case f.DNS != "":
		return "questions for names fail"
	}
	kind, n := f.NetworkKind()
	pair := Pair(n)
	switch kind {
	case "latency":
		return fmt.Sprintf("latency of %s between %s", n.Fixed, pair)
	case "bandwidth":
		return fmt.Sprintf("no more than %s between %s", n.Rate, pair)
	case "stall":
		return "stall the network between " + pair
	case "reset":
		return "reset connections between " + pair
	case "partition":
		return "no packet passes between " + pair
	}
	return fmt.Sprintf("%g %% of the packets between %s get lost", *n.Percent, pair)
}

// Pair names the two sides of a fault of the network.
func Pair(n *spec.Network) string { return cmp.Or(n.From, "everybody") + " and " + n.To }

func processes(verb string, p *spec.Process) string {
	return fmt.Sprintf("%s the %s of %s", verb, cmp.Or(p.Target, "app"), p.Workload)
}

func script(s *spec.Script) string {
	var words []string
	for _, o := range s.Outcomes {
		word := o.End
		if word == "" || word == "answer" {
			word = fmt.Sprint(cmp.Or(o.Status, 200))
		}
		if o.GRPCStatus > 0 {
			word = fmt.Sprintf("grpc-status %d", o.GRPCStatus)
		}
		if o.Delay > 0 {
			word += " after " + o.Delay.String()
		}
		words = append(words, word)
	}
	who := cmp.Or(s.Workload, "every backend")
	if s.Workers > 0 {
		who += fmt.Sprintf(" (workers: %d)", s.Workers)
	}
	return fmt.Sprintf("%s answers %s", who, strings.Join(words, ", then "))
}
