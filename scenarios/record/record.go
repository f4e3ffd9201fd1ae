// Package record is what is left of a run: everything that was seen, on one time base. Checks judge
// it, reports show it, and it can be saved and judged again.
package record

import (
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/spec"
)

// Run is one scenario's run.
type Run struct {
	Scenario spec.Scenario `json:"scenario"`
	// File is the scenario's path as it was named.
	File string `json:"file"`
	// Start is t = 0; Warmup before it is not judged. End is when all was settled.
	Start  time.Time     `json:"start"`
	Warmup time.Duration `json:"warmup"`
	End    time.Time     `json:"end"`
	Seed   uint64        `json:"seed"`
	// Platform, Envoy and Squall say what ran.
	Platform string `json:"platform"`
	Envoy    string `json:"envoy"`
	Squall   string `json:"squall"`
	// Phases in the order of their begin. "all" is among them.
	Phases []Phase `json:"phases"`
	// Events are what the timeline did.
	Events []Event `json:"events"`
	// Loads summarise what was offered.
	Loads []loadgen.Summary `json:"loads"`
	// Workloads that ran.
	Workloads []Workload `json:"workloads"`
	// Notes are what a reader must know: lost logs of a killed proxy, differences of the profile.
	Notes []string `json:"notes,omitempty"`
	// Gaps are why the run cannot be judged: each makes every check inconclusive.
	Gaps []string `json:"gaps,omitempty"`
	// Aborted is the guard rail that fired, or empty.
	Aborted string `json:"aborted,omitempty"`
	// Broken is what ended the run early: the lab broke. Empty otherwise.
	Broken string `json:"broken,omitempty"`
	// Warnings of the rules.
	Warnings diag.List `json:"warnings,omitempty"`

	// Results, Hops and Spans are all that was seen.
	Results []loadgen.Result `json:"-"`
	Hops    []telemetry.Hop  `json:"-"`
	Spans   []telemetry.Span `json:"-"`
	// Counters holds every proxy's counters at the edges of phases: by phase, then proxy.
	Counters map[string]map[string]Window `json:"-"`
	// PromQL holds the samples of each check with a query, by the check's index.
	PromQL map[int]QueryResult `json:"promql,omitempty"`
	// Ejections seen at the proxies.
	Ejections []Ejection `json:"ejections,omitempty"`
	// Strains are when processes had to wait for a processor, as far as the platform tells.
	Strains []Strain `json:"strains,omitempty"`

	Verdict Verdict  `json:"verdict"`
	Reason  string   `json:"reason"`
	Checks  []Result `json:"checks"`
}

// Workload is one instance.
type Workload struct {
	Name      string            `json:"name"`
	Owner     string            `json:"owner"`
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels,omitempty"`
	Address   string            `json:"address"`
	// Proxy is the node id of its Envoy.
	Proxy string `json:"proxy"`
}

// Phase is a part of the run: From and To count from t = 0.
type Phase struct {
	Name string        `json:"name"`
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
}

// Event is something that the timeline did.
type Event struct {
	// At counts from t = 0: when it took effect. Until is its end; 0 for what does not last.
	At    time.Duration `json:"at"`
	Until time.Duration `json:"until,omitempty"`
	// Kind is fault, apply, delete, hold, release, script or restart; What says it in words.
	Kind string `json:"kind"`
	What string `json:"what"`
	Name string `json:"name,omitempty"`
	// Took is how long it was until it was effective everywhere.
	Took time.Duration `json:"took,omitempty"`
	// Evidence says how it is known that it happened; Missing that it is not known.
	Evidence string `json:"evidence,omitempty"`
	Missing  string `json:"missing,omitempty"`
}

// Window holds counters at a phase's begin and end.
type Window struct{ Begin, End map[string]uint64 }

// QueryResult is what a query gave.
type QueryResult struct {
	Query   string   `json:"query"`
	Samples []Sample `json:"samples,omitempty"`
	Error   string   `json:"error,omitempty"`
}

// Sample is one value of a query's result.
type Sample struct {
	Labels string  `json:"labels"`
	Value  float64 `json:"value"`
}

// Ejection is the time that a proxy kept an endpoint out.
type Ejection struct {
	Proxy    string        `json:"proxy"`
	Cluster  string        `json:"cluster"`
	Endpoint string        `json:"endpoint"`
	Workload string        `json:"workload"`
	From     time.Duration `json:"from"`
	// To is 0 while the endpoint was still out at the end.
	To time.Duration `json:"to,omitempty"`
}

// Strain is a short time, from t = 0, in which a process was ready to run and had no processor for long.
type Strain struct {
	From time.Duration `json:"from"`
	To   time.Duration `json:"to"`
	// Who waited longest: a workload, app or proxy, or squall itself. Waited is what one of its threads did.
	Who    string        `json:"who"`
	Waited time.Duration `json:"waited"`
}

// LeastStrain is the shortest wait that is recorded.
const LeastStrain = 20 * time.Millisecond

// Verdict is the outcome of a check or a run.
type Verdict string

// The verdicts. Error is for runs alone: the lab broke.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
	Error        Verdict = "error"
)

// Result is what came of one check.
type Result struct {
	// Index is the check's place among those of the scenario, from 0.
	Index   int      `json:"index"`
	Name    string   `json:"name"`
	Phase   string   `json:"phase,omitempty"`
	Pos     diag.Pos `json:"pos"`
	Verdict Verdict  `json:"verdict"`
	// Reason is one sentence; also for a pass.
	Reason string `json:"reason"`
	// Measured and Want are what was compared, for people.
	Measured string `json:"measured,omitempty"`
	Want     string `json:"want,omitempty"`
	// Samples is how many observations stand behind the verdict.
	Samples int `json:"samples"`
	// Busy says that the machine was too busy to tell: another run may.
	Busy bool `json:"busy,omitempty"`
	// Test is what a check with declared error rates did; nil for the others.
	Test *Test `json:"test,omitempty"`
}

// Phase finds a phase by its name; "" is "all".
func (r *Run) Phase(name string) (Phase, bool) {
	if name == "" {
		name = "all"
	}
	for _, p := range r.Phases {
		if p.Name == name {
			return p, true
		}
	}
	return Phase{}, false
}

// Within gives the results of a load (or of all, if empty) whose scheduled time lies in the phase, but for requests that were on their way
// when the run was stopped: those say nothing about the mesh.
func (r *Run) Within(p Phase, load string) []loadgen.Result {
	from, to := r.Start.Add(p.From), r.Start.Add(p.To)
	var out []loadgen.Result
	for _, res := range r.Results {
		if (load == "" || res.Load == load) && !res.Scheduled.Before(from) && res.Scheduled.Before(to) && res.Err != loadgen.ErrCanceled {
			out = append(out, res)
		}
	}
	return out
}

// HopsWithin gives the hops of requests whose scheduled time lies in the phase, joined by trace id, and the TCP connections that
// began in it.
func (r *Run) HopsWithin(p Phase) []telemetry.Hop {
	from, to := r.Start.Add(p.From), r.Start.Add(p.To)
	ids := map[string]bool{}
	for _, res := range r.Within(p, "") {
		ids[res.TraceID] = true
	}
	var out []telemetry.Hop
	for _, h := range r.Hops {
		if ids[h.TraceID] || h.TCP && !h.Time.Before(from) && h.Time.Before(to) {
			out = append(out, h)
		}
	}
	return out
}

// WorkloadAt finds the workload with an address, with or without a port.
func (r *Run) WorkloadAt(address string) (Workload, bool) {
	for i := range address {
		if address[i] == ':' {
			address = address[:i]
			break
		}
	}
	for _, w := range r.Workloads {
		if w.Address == address {
			return w, true
		}
	}
	return Workload{}, false
}

// WorkloadOf finds the workload of a proxy's node id.
func (r *Run) WorkloadOf(proxy string) (Workload, bool) {
	for _, w := range r.Workloads {
		if w.Proxy == proxy {
			return w, true
		}
	}
	return Workload{}, false
}

// Is reports whether a name means the workload: its instance, Deployment or label app.
func (w Workload) Is(name string) bool {
	return name == "" || w.Name == name || w.Owner == name || w.Labels["app"] == name
}
