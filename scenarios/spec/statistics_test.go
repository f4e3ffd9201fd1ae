package spec

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/scenarios/stat"
)

// A scenario with every kind of check with error rates, in which the cases below break one thing each.
const measured = `apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: measured}
spec:
  title: All is measured
  app: bookinfo
  errors: {falsePass: 0.11}
  load:
    - {name: callers, rate: 400/s, duration: 60s, request: {path: /a}, value: {header: x-version}}
    - {name: canary, rate: 100/s, at: 10s, duration: 60s, request: {path: /b}}
  timeline:
    - {at: 20s, for: 10s, name: slow, fault: {delay: {to: ratings, fixed: 1s}}}
  checks:
    - {split: {load: callers, by: reviews.version, want: {v1: 80, v2: 20}, tolerance: 3, falsePass: 0.01, falseInconclusive: 0.00001}}
    - {phase: slow, rate: {load: canary, status: 503, want: 0, tolerance: 1, sequential: true}}
    - {phase: after, rate: {from: reviews, to: ratings, flags: DI, want: 50, tolerance: 4}}
    - {quantile: {load: callers, q: 0.99, below: 200ms}}
    - {quantile: {load: canary, q: 0.5, want: 100ms, margin: 20ms, spread: 12.5}}
    - {compare: {experiment: canary, control: callers, success: true, tolerance: 7, expect: 99}}
    - {compare: {experiment: v2, control: v1, load: callers, by: "header:x-kind", q: 0.95, ratio: 1.5}}
    - {compare: {experiment: v2, control: v1, load: callers, by: value, headers: {x-bad: "1"}, oddsRatio: 2.5, expect: 6}}
    - {amplification: {load: callers, to: ratings, want: 1.75, tolerance: 0.25, max: 3}}
    - {load: callers, success: "100%"}
`

func TestMeasured(t *testing.T) {
	f, problems := parse(measured)
	require.Empty(t, problems.Text())
	require.Equal(t, []string{"x-kind", "x-bad"}, f.AnswerHeaders())

	plans := f.Plans()
	require.Len(t, plans, 9)
	for i, c := range []struct {
		kind    string
		offered int
	}{
		{"split", 24000},
		{"rate", 1000},
		{"rate", 30*400 + 40*100}, // all loads after 30 s
		{"quantile", 24000},
		{"quantile", 6000},
		{"compare", 50 * 100}, // while both run, the slower
		{"compare", 12000},
		{"compare", 12000},
		{"amplification", 24000},
	} {
		require.Equal(t, i, plans[i].Check)
		require.Equal(t, c.kind, plans[i].Kind)
		require.Equal(t, c.offered, plans[i].Offered, "check %d", i)
		require.Positive(t, plans[i].Needed, "check %d", i)
		require.LessOrEqual(t, plans[i].Needed, plans[i].Offered, "check %d", i)
		why, _ := plans[i].Short()
		require.Empty(t, why)
	}
	require.Equal(t, 0.01, plans[0].Errors.FalsePass)
	require.Equal(t, 1e-5, plans[0].Errors.FalseInconclusive)
	require.InDelta(t, 0.1/8, plans[1].Errors.FalsePass, 1e-12, "what is left of the scenario's errors is divided")
	require.Equal(t, stat.DefaultFalseFail, plans[1].Errors.FalseFail)
	require.InDelta(t, 8100, plans[0].Needed, 200)
	require.Zero(t, f.ErrorsOf(&f.Spec.Checks[9]), "an exact check has no error rates")
	require.Zero(t, f.Spec.Checks[9].Needed(stat.Errors{}))
}

func TestProblemsOfStatistics(t *testing.T) {
	for _, c := range []struct{ name, from, to, code, at string }{
		{"too few requests", "rate: 400/s", "rate: 100/s", "TOO-FEW", "split: {load: callers"},
		{"too few in the phase", "tolerance: 1, sequential", "tolerance: 0.4, sequential", "TOO-FEW", "rate: {load: canary"},
		{"too few calls", "for: 10s", "for: 39s", "TOO-FEW", "rate: {from: reviews"},
		{"too few on one side", "at: 10s, duration: 60s", "at: 59500ms, duration: 60s", "TOO-FEW", "compare: {experiment: canary"},
		{"no sample is enough", "tolerance: 4}", "tolerance: 0.0001}", "TOO-FEW", "rate: {from: reviews"},
		{"a tolerance of all", "tolerance: 4}", "tolerance: 51}", "BAD-VALUE", "51}"},
		{"attempts of all", "tolerance: 0.25", "tolerance: 2", "BAD-VALUE", "2, max"},
		{"a rate above", "falsePass: 0.01", "falsePass: 0.5", "BAD-VALUE", "0.5, falseInconclusive"},
		{"a rate below", "falseInconclusive: 0.00001", "falseInconclusive: -1", "BAD-VALUE", "-1}"},
		{"the scenario's rate", "{falsePass: 0.11}", "{falsePass: 0.6}", "BAD-VALUE", "0.6"},
		{"nothing left of it", "{falsePass: 0.11}", "{falsePass: 0.01}", "BAD-VALUE", "0.01}"},
		{"a load that is not there", "load: canary, status", "load: nobody, status", "UNKNOWN-LOAD", "nobody"},
		{"no load", "rate: {load: canary, status", "rate: {status", "MISSING-FIELD", "rate: {status"},
		{"no key", "by: reviews.version", "by: reviews", "BAD-VALUE", "reviews, want"},
		{"values of a load that keeps none", "load: canary, status: 503", "load: canary, value: v1", "NO-VALUE", "v1, want"},
		{"a share below 0", "want: {v1: 80, v2: 20}", "want: {v1: 110, v2: -10}", "BAD-VALUE", "-10}"},
		{"a share above 100", "want: 50, tolerance: 4", "want: 150, tolerance: 4", "BAD-VALUE", "150"},
		{"no tolerance", ", tolerance: 4", ", tolerance: 0", "MISSING-FIELD", "0}}\n    - {quantile: {load: callers"},
		{"calls below 0", "tolerance: 4}", "tolerance: 4, calls: -1}", "BAD-VALUE", "-1}"},
		{"flags of a load", "load: canary, status: 503", "load: canary, flags: DI", "BAD-CHECK", "DI, want"},
		{"values of calls", "flags: DI", "flags: DI, success: true", "BAD-CHECK", "rate: {from"},
		{"calls that have nothing", "flags: DI, ", "", "MISSING-FIELD", "rate: {from"},
		{"requests that have nothing", "status: 503, ", "", "MISSING-FIELD", "rate: {load: canary"},
		{"a status that is none", "status: 503", "status: 5", "BAD-VALUE", "5, want"},
		{"a level", "q: 0.99", "q: 99", "BAD-VALUE", "99, below"},
		{"no bound", ", below: 200ms", "", "MISSING-FIELD", "quantile: {load: callers"},
		{"two bounds", "below: 200ms", "below: 200ms, want: 1s", "BAD-CHECK", "quantile: {load: callers"},
		{"a margin above", "margin: 20ms", "margin: 200ms", "BAD-VALUE", "200ms, spread"},
		{"a spread above", "spread: 12.5", "spread: 51", "BAD-VALUE", "51}"},
		{"one side", "control: callers, ", "control: canary, ", "MISSING-FIELD", "compare: {experiment: canary"},
		{"a side that is not there", "control: callers, ", "control: nobody, ", "UNKNOWN-LOAD", "nobody"},
		{"a load without by", ", by: \"header:x-kind\"", "", "MISSING-FIELD", "callers, q: 0.95"},
		{"shares of nothing", "success: true, ", "", "MISSING-FIELD", "compare: {experiment: canary"},
		{"two tolerances", "tolerance: 7", "tolerance: 7, oddsRatio: 2", "MISSING-FIELD", "compare: {experiment: canary"},
		{"odds without a share", "oddsRatio: 2.5, expect: 6", "oddsRatio: 2.5", "MISSING-FIELD", "compare: {experiment: v2, control: v1, load: callers, by: value"},
		{"a ratio of shares", "tolerance: 7", "tolerance: 7, ratio: 2", "BAD-CHECK", "compare: {experiment: canary"},
		{"a ratio that is none", "ratio: 1.5", "ratio: 1", "MISSING-FIELD", "compare: {experiment: v2, control: v1, load: callers, by: \"header"},
		{"a quantile of an outcome", "ratio: 1.5", "ratio: 1.5, status: 200", "BAD-CHECK", "compare: {experiment: v2, control: v1, load: callers, by: \"header"},
		{"attempts at nobody", "to: ratings, want", "want", "MISSING-FIELD", "amplification: {"},
		{"attempts without bound", ", max: 3", ", max: 0", "MISSING-FIELD", "0}}\n    - {load"},
		{"less than one attempt", "want: 1.75", "want: 0.75", "BAD-VALUE", "0.75"},
		{"no tolerance of attempts", "tolerance: 0.25", "tolerance: 0", "MISSING-FIELD", "0, max"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(measured, c.from), "%q must stand once in the scenario", c.from)
			text := strings.Replace(measured, c.from, c.to, 1)
			offset := strings.Index(text, c.at)
			require.GreaterOrEqual(t, offset, 0, "%q is not in the changed text", c.at)
			before := text[:offset]
			want := diag.Pos{File: "shown/scenario.yaml", Line: 1 + strings.Count(before, "\n"), Col: offset - strings.LastIndex(before, "\n")}
			_, problems := parse(text)
			require.True(t, slices.ContainsFunc(problems, func(d diag.Diagnostic) bool { return d.Code == c.code && d.Pos == want }),
				"want %s at %s, got:\n%s", c.code, want, problems.Text())
		})
	}
}

// A refusal says how many are needed, how many there are, and what would do; and that does.
func TestTooFewSaysWhatWouldDo(t *testing.T) {
	_, problems := parse(strings.Replace(measured, "rate: 400/s", "rate: 130/s", 1))
	require.Contains(t, problems.Text(), "needs 8253 calls of reviews, and the scenario gives 7800 at most")
	hint := problems[0].Hint
	require.Contains(t, hint, "138/s would do, or 1m3.5s")
	_, problems = parse(strings.Replace(measured, "rate: 400/s, duration: 60s", "rate: 130/s, duration: 63500ms", 1))
	require.NotContains(t, problems.Text(), "calls of reviews")
	_, problems = parse(strings.Replace(measured, "rate: 400/s", "rate: 138/s", 1))
	require.NotContains(t, problems.Text(), "calls of reviews")
	_, problems = parse(strings.NewReplacer("rate: 400/s", "rate: 70/s", "tolerance: 3,", "tolerance: 3, calls: 2,").Replace(measured))
	require.NotContains(t, problems.Text(), "calls of reviews", "a request that makes two calls gives two samples")
}

func TestWithin(t *testing.T) {
	f, problems := parse(sound)
	require.Empty(t, problems.Text())
	for phase, want := range map[string][2]time.Duration{
		"": {0, 10 * time.Second}, "all": {0, 10 * time.Second}, "before": {0, time.Second}, "after": {10 * time.Second, 10 * time.Second},
		"slow": {time.Second, 2 * time.Second}, "failing": {2 * time.Second, 5 * time.Second}, "marker": {5 * time.Second, 10 * time.Second},
		"never": {},
	} {
		from, to := f.Within(phase)
		require.Equal(t, want, [2]time.Duration{from, to}, phase)
	}
}

// What may not happen, or later, ends no phase for sure.
func TestWithinConditions(t *testing.T) {
	f, problems := parse(strings.NewReplacer(
		"{at: 1s, for: 1s, name: slow,", "{at: 1s, for: 1s, name: slow, when: {load: readers, success: \"< 50%\", for: 1s},",
		"{at: 5s, name: marker}", "{at: 5s, name: marker, unless: [slow]}",
	).Replace(sound))
	require.Empty(t, problems.Text())
	for phase, want := range map[string][2]time.Duration{
		"before": {0, 2 * time.Second}, "slow": {time.Second, 10 * time.Second}, "failing": {2 * time.Second, 10 * time.Second},
		"marker": {5 * time.Second, 10 * time.Second}, "after": {10 * time.Second, 10 * time.Second},
	} {
		from, to := f.Within(phase)
		require.Equal(t, want, [2]time.Duration{from, to}, phase)
	}
}

func TestParseBy(t *testing.T) {
	for text, want := range map[string]By{
		"": {Kind: ByValue}, "value": {Kind: ByValue}, "status": {Kind: ByStatus}, "header:x-version": {Kind: ByHeader, Name: "x-version"},
		"reviews.version": {ByLabel, "reviews", "version"}, "reviews.default.svc.cluster.local.subset": {ByLabel, "reviews.default.svc.cluster.local", "subset"},
	} {
		got, err := ParseBy(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"reviews", "header:", ".version", "reviews."} {
		_, err := ParseBy(text)
		require.Error(t, err, text)
	}
}
