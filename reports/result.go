package reports

import (
	"math"
	"strconv"
	"time"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/scenarios/record"
)

// Result is what result.json holds: a run without its raw observations and without secrets. Times are in seconds; those that
// name a moment count from t = 0, when load begins to be judged.
type Result struct {
	Name    string         `json:"name"`
	Title   string         `json:"title"`
	File    string         `json:"file,omitempty"`
	Verdict record.Verdict `json:"verdict"`
	// Reason is one sentence.
	Reason string `json:"reason"`
	// Seconds from the begin of the warm-up until all was settled; 0 if the run never began.
	Seconds float64 `json:"seconds"`
	// Start is t = 0; absent if the run never began.
	Start *time.Time `json:"start,omitempty"`
	Seed  uint64     `json:"seed"`
	// Versions of what ran.
	Versions Versions `json:"versions"`
	Checks   []Check  `json:"checks"`
	// Declared sums up the error rates that checks declare; absent if none does.
	Declared *Declared `json:"declared,omitempty"`
	Phases   []Phase   `json:"phases"`
	Events   []Event   `json:"events"`
	Loads    []Load    `json:"loads"`
	// Ejections are the times that proxies kept endpoints out.
	Ejections []Ejection `json:"ejections,omitempty"`
	// Notes are what a reader must know, Gaps why the run cannot be judged.
	Notes []string `json:"notes"`
	Gaps  []string `json:"gaps"`
	// Warnings are about the rules.
	Warnings []diag.Diagnostic `json:"warnings"`
	// Aborted is the guard rail that fired, Broken what ended the run early.
	Aborted string `json:"aborted,omitempty"`
	Broken  string `json:"broken,omitempty"`
}

// Versions of what ran; empty where not known.
type Versions struct {
	Squall   string `json:"squall"`
	Envoy    string `json:"envoy"`
	Platform string `json:"platform"`
}

// Check is what came of one check.
type Check struct {
	Name    string         `json:"name"`
	Phase   string         `json:"phase,omitempty"`
	Verdict record.Verdict `json:"verdict"`
	Reason  string         `json:"reason"`
	// Measured and Want are what was compared, for people.
	Measured string `json:"measured,omitempty"`
	Want     string `json:"want,omitempty"`
	// Samples is how many observations stand behind the verdict.
	Samples int `json:"samples"`
	// Test is what a check with declared error rates did: the rates, intervals, the sample that it needed.
	Test *record.Test `json:"test,omitempty"`
	// Pos is where the check is written.
	Pos diag.Pos `json:"pos"`
	// Query is what a check with PromQL was given.
	Query *Query `json:"query,omitempty"`
}

// Query is a PromQL query and its answer.
type Query struct {
	Query   string   `json:"query"`
	Error   string   `json:"error,omitempty"`
	Samples []Sample `json:"samples"`
}

// Sample is one value of a query's answer. Value is a number written as text, as in Prometheus' API, for NaN and +Inf are
// among them.
type Sample struct {
	Labels string `json:"labels"`
	Value  string `json:"value"`
}

// Phase is a part of the run.
type Phase struct {
	Name string  `json:"name"`
	From float64 `json:"fromSeconds"`
	To   float64 `json:"toSeconds"`
}

// Event is something that the timeline did.
type Event struct {
	Kind string `json:"kind"`
	What string `json:"what"`
	Name string `json:"name,omitempty"`
	// At is when it was effective, Until when it was over: 0 for what does not last.
	At    float64 `json:"atSeconds"`
	Until float64 `json:"untilSeconds,omitempty"`
	// Took is how long it was until it was effective everywhere.
	Took float64 `json:"tookSeconds"`
	// Evidence says how it is known that it happened, Missing that it is not known.
	Evidence string `json:"evidence,omitempty"`
	Missing  string `json:"missing,omitempty"`
}

// Load is what became of one load.
type Load struct {
	Name string `json:"name"`
	// Rate as the scenario has it: 20/s. Request is its method and path.
	Rate    string `json:"rate,omitempty"`
	Request string `json:"request,omitempty"`
	// Offered requests were due, Sent were sent, Completed got a whole answer, Late were sent too late.
	Offered   uint64 `json:"offered"`
	Sent      uint64 `json:"sent"`
	Completed uint64 `json:"completed"`
	Late      uint64 `json:"late"`
	// P99Lag and MaxLag tell how late requests were sent.
	P99Lag float64 `json:"p99LagSeconds"`
	MaxLag float64 `json:"maxLagSeconds"`
	// Behind tells that the rate was not offered, Reason why.
	Behind bool   `json:"behind"`
	Reason string `json:"reason,omitempty"`
}

// Ejection is the time that a proxy kept an endpoint out. To is 0 if it was still out at the end.
type Ejection struct {
	Proxy    string  `json:"proxy"`
	Cluster  string  `json:"cluster"`
	Endpoint string  `json:"endpoint"`
	Workload string  `json:"workload"`
	From     float64 `json:"fromSeconds"`
	To       float64 `json:"toSeconds,omitempty"`
}

// NewResult takes from a run what may be shown.
func NewResult(r *record.Run) Result {
	out := Result{
		Name: name(r), Title: record.Redact(r.Scenario.Spec.Title), File: r.File,
		Verdict: verdict(r), Reason: record.Redact(r.Reason), Seconds: seconds(length(r)), Seed: r.Seed,
		Versions: Versions{Squall: r.Squall, Envoy: r.Envoy, Platform: r.Platform},
		Checks:   checks(r), Phases: []Phase{}, Events: []Event{}, Loads: []Load{},
		Declared: declaredOf(r),
		Notes:    redactAll(r.Notes), Gaps: redactAll(r.Gaps), Warnings: warnings(r),
		Aborted: record.Redact(r.Aborted), Broken: record.Redact(r.Broken),
	}
	if out.Verdict != r.Verdict && out.Reason == "" {
		out.Reason = "the run was not judged"
	}
	if !r.Start.IsZero() {
		start := r.Start.UTC()
		out.Start = &start
	}
	for _, p := range r.Phases {
		out.Phases = append(out.Phases, Phase{p.Name, seconds(p.From), seconds(p.To)})
	}
	for _, e := range r.Events {
		out.Events = append(out.Events, Event{
			Kind: e.Kind, What: record.Redact(e.What), Name: e.Name, At: seconds(e.At), Until: seconds(e.Until), Took: seconds(e.Took),
			Evidence: record.Redact(e.Evidence), Missing: record.Redact(e.Missing),
		})
	}
	for _, l := range r.Loads {
		load := Load{
			Name: l.Name, Offered: l.Offered, Sent: l.Sent, Completed: l.Completed, Late: l.Late,
			P99Lag: seconds(l.P99Lag), MaxLag: seconds(l.MaxLag), Behind: l.Behind, Reason: record.Redact(l.Reason),
		}
		for _, s := range r.Scenario.Spec.Load {
			if s.Name == l.Name {
				method := s.Request.Method
				if method == "" {
					method = "GET"
				}
				load.Rate, load.Request = s.Rate, record.Redact(method+" "+s.Request.Path)
			}
		}
		out.Loads = append(out.Loads, load)
	}
	for _, e := range r.Ejections {
		out.Ejections = append(out.Ejections, Ejection{e.Proxy, e.Cluster, e.Endpoint, e.Workload, seconds(e.From), seconds(e.To)})
	}
	return out
}

func checks(r *record.Run) []Check {
	out := []Check{}
	for _, c := range r.Checks {
		check := Check{
			Name: record.Redact(c.Name), Phase: c.Phase, Verdict: c.Verdict, Reason: record.Redact(c.Reason),
			Measured: record.Redact(c.Measured), Want: record.Redact(c.Want), Samples: c.Samples, Test: c.Test, Pos: c.Pos,
		}
		if q, ok := r.PromQL[c.Index]; ok {
			check.Query = &Query{Query: record.Redact(q.Query), Error: record.Redact(q.Error), Samples: []Sample{}}
			for _, s := range q.Samples {
				check.Query.Samples = append(check.Query.Samples, Sample{record.Redact(s.Labels), strconv.FormatFloat(s.Value, 'g', -1, 64)})
			}
		}
		out = append(out, check)
	}
	return out
}

func warnings(r *record.Run) []diag.Diagnostic {
	out := []diag.Diagnostic{}
	for _, w := range r.Warnings.Sorted() {
		w.Message, w.Hint = record.Redact(w.Message), record.Redact(w.Hint)
		out = append(out, w)
	}
	return out
}

// name of a run, also of one whose scenario has none.
func name(r *record.Run) string {
	switch {
	case r.Scenario.Metadata.Name != "":
		return r.Scenario.Metadata.Name
	case r.File != "":
		return r.File
	}
	return "unnamed"
}

// verdict of a run. One that nobody judged proves nothing, and something went wrong.
func verdict(r *record.Run) record.Verdict {
	switch r.Verdict {
	case record.Pass, record.Fail, record.Inconclusive, record.Error:
		return r.Verdict
	}
	return record.Error
}

// length of a run with its warm-up; 0 if it never began or never ended.
func length(r *record.Run) time.Duration {
	if r.Start.IsZero() || r.End.IsZero() {
		return 0
	}
	return max(0, r.End.Sub(r.Start)+r.Warmup)
}

// seconds with a millionth's precision.
func seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e6) / 1e6 }
