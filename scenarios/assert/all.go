package assert

import (
	"fmt"
	"strings"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// kind is one kind of check.
type kind struct {
	name  string
	judge func(*record.Run, int, spec.Check, record.Phase) outcome
}

// all lists the kinds, by name.
func all() []kind {
	return []kind{
		{"amplification", amplification},
		{"compare", comparison},
		{"counter", counter},
		{"ejected", ejected},
		{"load", load},
		{"promql", query},
		{"quantile", quantile},
		{"rate", rate},
		{"recovery", recovery},
		{"requests", requests},
		{"split", split},
		{"trace", trace},
	}
}

// Kinds names the kinds of checks, sorted.
func Kinds() []string {
	var out []string
	for _, k := range all() {
		out = append(out, k.name)
	}
	return out
}

// outcome is what a kind finds.
type outcome struct {
	verdict        record.Verdict
	reason         string
	measured, want string
	samples        int
	test           *record.Test
}

func inconclusive(format string, args ...any) outcome {
	return outcome{verdict: record.Inconclusive, reason: fmt.Sprintf(format, args...)}
}

// worse gives the worse of two verdicts: fail, then inconclusive, then pass.
func worse(a, b record.Verdict) record.Verdict {
	rank := map[record.Verdict]int{record.Pass: 0, record.Inconclusive: 1, record.Fail: 2, record.Error: 3}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// Judge fills in the results of all checks, the verdict and its reason.
func Judge(r *record.Run, where func(path string) diag.Pos) {
	r.Checks = nil
	r.Verdict, r.Reason = record.Pass, ""
	gap, missing := unjudgeable(r), unproven(r)
	for i, c := range r.Scenario.Spec.Checks {
		if c.Profile != "" && c.Profile != r.Scenario.Profile() {
			continue
		}
		res := judgeOne(r, i, c)
		res.Index = i
		res.Pos = where(fmt.Sprintf("spec.checks[%d]", i))
		gap := gap
		if phase, ok := r.Phase(c.Phase); ok && gap == "" {
			if gap = overtaken(r, phase); gap == "" && res.Verdict == record.Fail {
				gap = strained(r, phase)
			}
			res.Busy = res.Busy || gap != ""
		}
		switch {
		case gap != "" && res.Verdict == record.Fail:
			res.Verdict, res.Reason = record.Inconclusive, gap+" (otherwise: "+res.Reason+")"
		case gap != "":
			res.Verdict, res.Reason = record.Inconclusive, gap
		case missing != "" && res.Verdict == record.Pass:
			res.Verdict, res.Reason = record.Inconclusive, missing
		}
		r.Checks = append(r.Checks, res)
		if w := worse(r.Verdict, res.Verdict); w != r.Verdict {
			r.Verdict, r.Reason = w, res.Name+": "+res.Reason
		}
	}
	switch {
	case r.Broken != "":
		r.Verdict, r.Reason = record.Error, r.Broken
	case r.Aborted != "":
		r.Verdict, r.Reason = record.Fail, r.Aborted
	case len(r.Checks) == 0:
		r.Verdict, r.Reason = record.Inconclusive, "nothing was checked"
	case r.Verdict == record.Pass:
		r.Reason = fmt.Sprintf("all %d checks hold", len(r.Checks))
	}
}

// unjudgeable says why neither a pass nor a fail would mean anything, or "": records are missing, or the machine could not
// offer the stated load.
func unjudgeable(r *record.Run) string {
	if len(r.Gaps) > 0 {
		return r.Gaps[0]
	}
	recorded := map[string]uint64{}
	for i := range r.Results {
		recorded[r.Results[i].Load]++
	}
	for _, l := range r.Loads {
		if l.Behind {
			return fmt.Sprintf("load %s: %s", l.Name, l.Reason)
		}
		if n := recorded[l.Name]; n < l.Sent {
			return fmt.Sprintf("load %s: of %d requests that were sent %d are not in the record", l.Name, l.Sent, l.Sent-n)
		}
	}
	return ""
}

// unproven says why a pass would mean nothing, or "". A fail stands: a fault that did not happen is one way to fail.
func unproven(r *record.Run) string {
	for _, e := range r.Events {
		if e.Missing != "" {
			return e.Missing
		}
	}
	if len(r.Loads) < len(r.Scenario.Spec.Load) {
		return "not every load ran"
	}
	return ""
}

func judgeOne(r *record.Run, i int, c spec.Check) record.Result {
	res := record.Result{Name: c.Name, Phase: c.Phase}
	kinds := c.Kinds()
	if res.Name == "" {
		res.Name = strings.TrimSpace(strings.Join(kinds, "+") + " " + c.Phase)
	}
	phase, ok := r.Phase(c.Phase)
	if !ok || len(kinds) != 1 {
		res.Verdict, res.Reason = record.Inconclusive, fmt.Sprintf("the run never came to the phase %q", c.Phase)
		res.Test = declared(r, &c)
		return res
	}
	if phase.To <= phase.From && kinds[0] != "recovery" {
		res.Verdict, res.Reason = record.Inconclusive, fmt.Sprintf("the phase %q had no time", phase.Name)
		res.Busy = true // what begins it came so late that what ends it was due
		res.Test = declared(r, &c)
		return res
	}
	for _, k := range all() {
		if k.name == kinds[0] {
			o := k.judge(r, i, c, phase)
			res.Verdict, res.Reason, res.Measured, res.Want, res.Samples = o.verdict, o.reason, o.measured, o.want, o.samples
			res.Test = o.test
		}
	}
	return res
}

// compare judges one measured number.
func compare(what string, b spec.Bound, v float64, samples int) outcome {
	o := outcome{verdict: record.Pass, measured: what + " " + b.Format(v), want: what + " " + b.String(), samples: samples}
	if !b.Holds(v) {
		o.verdict = record.Fail
	}
	o.reason = fmt.Sprintf("%s is %s, wanted %s", what, b.Format(v), b.String())
	return o
}

// join puts several comparisons of one check together.
func join(list []outcome) outcome {
	if len(list) == 0 {
		return inconclusive("the check compares nothing")
	}
	out := list[0]
	for _, o := range list[1:] {
		out.measured += ", " + o.measured
		out.want += ", " + o.want
		out.samples = max(out.samples, o.samples)
		switch {
		case worse(out.verdict, o.verdict) != out.verdict:
			out.verdict, out.reason = o.verdict, o.reason
		case out.verdict == o.verdict:
			out.reason += "; " + o.reason
		}
	}
	return out
}

// part measures a share or a number, as the bound's unit says.
func part(b spec.Bound, n, of int) float64 {
	if b.Unit == spec.Percent {
		return 100 * float64(n) / float64(of)
	}
	return float64(n)
}
