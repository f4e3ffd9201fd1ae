package topology

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/dist"
)

// Kind and Version of topology files.
const (
	Kind    = "Topology"
	Version = "squall.dev/v1alpha1"
)

// What a file may say of a machine.
const (
	maxProcessors = 1024
	maxDemand     = 100
)

// Document is a topology file: the times of a mesh as they were measured, and a graph of services. Either part may be missing.
type Document struct {
	APIVersion string   `json:"apiVersion" yaml:"apiVersion"`
	Kind       string   `json:"kind" yaml:"kind"`
	Metadata   Metadata `json:"metadata" yaml:"metadata"`
	Spec       Spec     `json:"spec" yaml:"spec"`
}

// Metadata names a topology.
type Metadata struct {
	Name string `json:"name" yaml:"name"`
}

// Spec is what a topology file says.
type Spec struct {
	// Times of the mesh; those that are missing are the simulator's own (sim.DefaultTimes).
	Times *Times `json:"times,omitempty" yaml:"times,omitempty"`
	// Workloads have the times at work of each Deployment.
	Workloads map[string]Workload `json:"workloads,omitempty" yaml:"workloads,omitempty"`
	// Services that call each other.
	Services []GraphService `json:"services,omitempty" yaml:"services,omitempty"`
}

// Times as sim.Times has them.
type Times struct {
	Client  *dist.Duration `json:"client,omitempty" yaml:"client,omitempty"`
	Network *dist.Duration `json:"network,omitempty" yaml:"network,omitempty"`
	Local   *dist.Duration `json:"local,omitempty" yaml:"local,omitempty"`
	Proxy   *dist.Duration `json:"proxy,omitempty" yaml:"proxy,omitempty"`
	Lag     *dist.Text     `json:"lag,omitempty" yaml:"lag,omitempty"`
	Hop     *dist.Text     `json:"hop,omitempty" yaml:"hop,omitempty"`
	Work    *dist.Text     `json:"work,omitempty" yaml:"work,omitempty"`
	// Processors and Demand are those of sim.Times.
	Processors int     `json:"processors,omitempty" yaml:"processors,omitempty"`
	Demand     float64 `json:"demand,omitempty" yaml:"demand,omitempty"`
}

// Workload is what is known of a Deployment's time at work, before its first call or its answer.
type Workload struct {
	Work dist.Text `json:"work" yaml:"work"`
	Fit  *Fit      `json:"fit,omitempty" yaml:"fit,omitempty,flow"`
}

// Fit says how well a distribution describes what was measured; see dist.Fitted. It is for readers.
type Fit struct {
	Samples  int     `json:"samples" yaml:"samples"`
	Distance float64 `json:"distance" yaml:"distance"`
	Critical float64 `json:"critical" yaml:"critical"`
}

// GraphService is a service of a graph.
type GraphService struct {
	Name     string    `json:"name" yaml:"name"`
	Replicas int       `json:"replicas,omitempty" yaml:"replicas,omitempty"`
	Work     dist.Text `json:"work" yaml:"work"`
	// Calls are made for each request, one after the other.
	Calls []string `json:"calls,omitempty" yaml:"calls,omitempty,flow"`
}

// File is a topology that was read.
type File struct {
	Name string
	// Times of a mesh.
	Times sim.Times
	// Work of Deployments, by name.
	Work map[string]dist.Distribution
	// Graph of services; without any where the file has none.
	Graph Topology
}

// Parse reads a topology file of squall's own form, or one of isotope's (MockServiceGraph), all problems at once.
func Parse(f config.File) (*File, diag.List) {
	if isIsotope(f) {
		return parseIsotope(f)
	}
	var in Document
	doc, problems := config.Decode(f, Kind, &in)
	if doc == nil || problems.HasErrors() {
		return nil, problems
	}
	r := &reader{doc: doc, root: "spec.", problems: &problems}
	if in.Kind != Kind || in.APIVersion != Version {
		r.errorf("BAD-TOPOLOGY", "kind", "this is a %s of %s, and not a %s of %s", in.Kind, in.APIVersion, Kind, Version)
		return nil, problems
	}
	out := &File{Name: in.Metadata.Name, Times: sim.DefaultTimes(), Work: map[string]dist.Distribution{}}
	r.times(in.Spec.Times, &out.Times)
	for _, name := range slices.Sorted(maps.Keys(in.Spec.Workloads)) {
		w := in.Spec.Workloads[name]
		out.Work[name] = r.dist("spec.workloads."+name+".work", &w.Work)
	}
	out.Graph.Services = r.graph(in.Spec.Services)
	if in.Spec.Times == nil && len(in.Spec.Workloads)+len(in.Spec.Services) == 0 {
		r.errorf("BAD-TOPOLOGY", "spec", "the file says nothing: no times, no workloads, no services")
	}
	return out, problems
}

type reader struct {
	doc *config.Document
	// root begins the paths of services: "spec." in squall's own files.
	root     string
	problems *diag.List
}

func (r *reader) errorf(code, path, format string, args ...any) {
	r.problems.Errorf(code, r.doc.Where(path), format, args...)
}

func (r *reader) times(in *Times, out *sim.Times) {
	if in == nil {
		return
	}
	set := func(to *time.Duration, from *dist.Duration) {
		if from != nil {
			*to = time.Duration(*from)
		}
	}
	set(&out.Client, in.Client)
	set(&out.Network, in.Network)
	set(&out.Local, in.Local)
	set(&out.Proxy, in.Proxy)
	if in.Lag != nil {
		out.Lag = r.dist("spec.times.lag", in.Lag)
	}
	if in.Work != nil {
		out.Work = r.dist("spec.times.work", in.Work)
	}
	if in.Hop != nil {
		hop := r.dist("spec.times.hop", in.Hop)
		out.Hop = &hop
	}
	if in.Processors < 0 || in.Processors > maxProcessors {
		r.errorf("BAD-TIME", "spec.times.processors", "%d processors: want 1 to %d, or none of this", in.Processors, maxProcessors)
	}
	if in.Demand < 0 || in.Demand > maxDemand {
		r.errorf("BAD-TIME", "spec.times.demand", "a demand of %v: want a number above 0, and up to %d", in.Demand, maxDemand)
	}
	out.Processors, out.Demand = in.Processors, in.Demand
}

// dist reads a time that a steady state needs: its mean is finite.
func (r *reader) dist(path string, in *dist.Text) dist.Distribution {
	d, err := in.Distribution()
	switch {
	case err != nil:
		r.errorf("BAD-TIME", path, "%v", err)
	case math.IsInf(d.Mean(), 1):
		r.errorf("INFINITE-MEAN", path, "a Pareto time with a shape of at most 1 has no mean: nothing that works for so long comes to a steady state")
		r.problems.Hint("give it a shape above 1; above 2 its variance is finite too")
	}
	return d
}

// graph puts services in an order in which calls lead to later ones.
func (r *reader) graph(in []GraphService) []Service {
	place := map[string]int{}
	for i, s := range in {
		path := fmt.Sprintf(r.root+"services[%d]", i)
		if _, twice := place[s.Name]; twice || s.Name == "" {
			r.errorf("BAD-TOPOLOGY", path, "a service needs a name of its own, not %q", s.Name)
		}
		if s.Replicas < 0 {
			r.errorf("BAD-TOPOLOGY", path, "%d replicas of %s", s.Replicas, s.Name)
		}
		place[s.Name] = i
	}
	for i, s := range in {
		for n, to := range s.Calls {
			if _, known := place[to]; !known {
				r.errorf("UNKNOWN-SERVICE", fmt.Sprintf(r.root+"services[%d].calls[%d]", i, n), "%s calls %q, and there is no such service", s.Name, to)
			}
		}
	}
	if r.problems.HasErrors() {
		return nil
	}
	return r.sorted(in, place)
}

func (r *reader) sorted(in []GraphService, place map[string]int) []Service {
	const unseen, open, done = 0, 1, 2
	state := make([]int, len(in))
	var order, trail []int
	var visit func(i int, from string) bool
	visit = func(i int, from string) bool {
		switch state[i] {
		case done:
			return true
		case open:
			var names []string
			for _, t := range trail[slices.Index(trail, i):] {
				names = append(names, in[t].Name)
			}
			r.errorf("ENDLESS-CALLS", from, "a cycle without end: %s", strings.Join(append(names, in[i].Name), " calls "))
			r.problems.Hint("leave one of these calls out: each request would lead to calls for ever")
			return false
		case unseen:
		}
		state[i] = open
		trail = append(trail, i)
		for n, to := range in[i].Calls {
			if !visit(place[to], fmt.Sprintf(r.root+"services[%d].calls[%d]", i, n)) {
				return false
			}
		}
		trail = trail[:len(trail)-1]
		state[i] = done
		order = append(order, i)
		return true
	}
	for i := range in {
		if !visit(i, fmt.Sprintf(r.root+"services[%d]", i)) {
			return nil
		}
	}
	slices.Reverse(order)
	at := make([]int, len(in))
	for n, i := range order {
		at[i] = n
	}
	out := make([]Service, 0, len(in))
	for _, i := range order {
		s := in[i]
		one := Service{Name: s.Name, Replicas: s.Replicas, Work: r.dist(fmt.Sprintf(r.root+"services[%d].work", i), &s.Work)}
		for _, to := range s.Calls {
			one.Calls = append(one.Calls, at[place[to]])
		}
		out = append(out, one)
	}
	return out
}
