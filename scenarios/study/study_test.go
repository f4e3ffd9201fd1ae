package study_test

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen/pace"
	"github.com/squallmesh/squall/scenarios/study"
)

func param(t *testing.T, s string) study.Param {
	t.Helper()
	p, err := study.ParseParam(s)
	require.NoError(t, err)
	return p
}

func TestParams(t *testing.T) {
	p := param(t, "rules.yaml:VirtualService/ratings:spec.http[0].timeout=50ms..900ms")
	require.True(t, p.Range())
	require.Equal(t, []string{"rules.yaml", "VirtualService", "ratings", "spec.http[0].timeout"}, []string{p.File, p.Kind, p.Object, p.Path})
	require.Equal(t, "475ms", p.Value(475.2))
	require.Equal(t, "0.25s", param(t, "spec.a=0.1s..0.4s").Value(.25))
	require.Equal(t, []string{"20/s", "40/s"}, param(t, "spec.load[0].rate=20/s,40/s").Values)
	for in, want := range map[string]string{
		"spec.load[0].rate":           "want a field and its values",
		"spec..rate=1":                "is no path of a field",
		"a.yaml:x=1":                  "want a path, or file:Kind/name:path",
		"a.yaml:Kind:spec.x=1":        "want file:Kind/name:path",
		"spec.x=9..3":                 "a range that grows",
		"spec.x=3ms..9s":              "the same unit at both ends",
		"spec.x=a..b":                 "two numbers with the same unit",
		"spec.load[0].rate=1/s..x9/s": "two numbers with the same unit",
	} {
		_, err := study.ParseParam(in)
		require.ErrorContains(t, err, want, in)
	}
}

func TestAFieldIsSetWhereItIsMeant(t *testing.T) {
	const two = "kind: A\nmetadata: {name: x}\nspec: {list: [{v: 1}, {v: 2}]}\n---\nkind: B\nmetadata: {name: x}\nspec: {list: [{v: 3}]} # three\n"
	out, err := param(t, "f.yaml:A/x:spec.list[1].v=9").Set([]byte(two), "9s")
	require.NoError(t, err)
	require.Equal(t, strings.Replace(two, "v: 2", "v: 9s", 1), string(out))
	for in, want := range map[string]string{
		"f.yaml:C/x:spec.list[0].v=9": "there is no C x",
		"f.yaml:A/x:spec.list[2].v=9": "there is no [2]",
		"f.yaml:A/x:spec.none=9":      "there is no field none: write it down",
		"f.yaml:A/x:spec.list=9":      "no single value",
	} {
		_, err := param(t, in).Set([]byte(two), "9")
		require.ErrorContains(t, err, want, in)
	}
}

func TestGrid(t *testing.T) {
	require.Equal(t, [][]string{{"1", "a"}, {"1", "b"}, {"5", "a"}, {"5", "b"}}, study.Grid([]study.Param{param(t, "x=1..5"), param(t, "y=a,b")}))
}

// Each slice of each range has exactly one point, and each listed value comes equally often.
func TestHypercube(t *testing.T) {
	points := study.Hypercube([]study.Param{param(t, "x=0.5s..11s"), param(t, "y=a,b")}, 21, pace.Stream(1, "cube"))
	found, values := map[int]int{}, map[string]int{}
	for _, p := range points {
		x, err := strconv.ParseFloat(strings.TrimSuffix(p[0], "s"), 64)
		require.NoError(t, err)
		found[int((x-.5)*2)]++
		values[p[1]]++
	}
	require.Len(t, found, 21)
	require.Equal(t, map[string]int{"a": 11, "b": 10}, values)
}

// The interval has the mean in 95 of 100 cases, also of few values.
func TestTheIntervalHasTheMean(t *testing.T) {
	r := pace.Stream(3, "normal")
	for _, n := range []int{2, 3, 5, 20, 60} {
		hits := 0
		const rounds = 4000
		for range rounds {
			var values []float64
			for range n {
				values = append(values, 7+2*r.NormFloat64())
			}
			if e := study.Mean(values); math.Abs(e.Mean-7) <= e.Half {
				hits++
			}
		}
		require.InDelta(t, .95, float64(hits)/rounds, 4*math.Sqrt(.95*.05/rounds)+.006, "%d values", n)
	}
	require.True(t, math.IsInf(study.Mean([]float64{1}).Half, 1), "of one value nothing is known")
}

func TestSettled(t *testing.T) {
	of := func(values ...float64) (out []study.Sample) {
		for _, v := range values {
			out = append(out, study.Sample{Figures: []float64{v}})
		}
		return out
	}
	require.True(t, study.Settled(of(100, 100.5, 99.5, 100), .05))
	require.False(t, study.Settled(of(100, 150, 60), .05))
	require.True(t, study.Settled(of(0, 0), .05), "what never happens is known")
	require.False(t, study.Settled(of(1), .05))
}

func TestBisect(t *testing.T) {
	same := func(a, b float64) bool { return math.Round(a) == math.Round(b) }
	good, bad, err := study.Bisect(0, 100, 20, same, func(x float64) (bool, error) { return x < 37.5, nil })
	require.NoError(t, err)
	require.InDelta(t, 37.5, good, 1.01)
	require.InDelta(t, 37.5, bad, 1.01)
	require.Less(t, good, bad)
	good, bad, err = study.Bisect(0, 100, 3, same, func(x float64) (bool, error) { return x > 60, nil })
	require.NoError(t, err)
	require.Equal(t, []float64{62.5, 50}, []float64{good, bad}, "the smallest that passes, as near as so many steps come")
	for _, end := range []bool{true, false} {
		_, _, err = study.Bisect(0, 1, 3, same, func(float64) (bool, error) { return end, nil })
		require.ErrorIs(t, err, study.ErrEnds)
	}
	broken := errors.New("broken")
	_, _, err = study.Bisect(0, 1, 3, same, func(float64) (bool, error) { return false, broken })
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, study.ErrEnds)
}
