package spec

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBound(t *testing.T) {
	for _, c := range []struct {
		text string
		want Bound
	}{
		{"12", Bound{"==", 12, Number}},
		{"0", Bound{"==", 0, Number}},
		{"== 0", Bound{"==", 0, Number}},
		{"!=3", Bound{"!=", 3, Number}},
		{" > 1.5 ", Bound{">", 1.5, Number}},
		{"< 1e3", Bound{"<", 1000, Number}},
		{">= 99.9%", Bound{">=", 99.9, Percent}},
		{"<=5 %", Bound{"<=", 5, Percent}},
		{"100%", Bound{"==", 100, Percent}},
		{"< 200ms", Bound{"<", 2e8, Time}},
		{">= 1m30s", Bound{">=", 9e10, Time}},
		{"0s", Bound{"==", 0, Time}},
		{"< 7µs", Bound{"<", 7000, Time}},
	} {
		t.Run(c.text, func(t *testing.T) {
			var b Bound
			require.NoError(t, b.UnmarshalText([]byte(c.text)))
			require.Equal(t, c.want, b)
			var again Bound
			text, err := b.MarshalText()
			require.NoError(t, err)
			require.NoError(t, again.UnmarshalText(text))
			require.Equal(t, b, again, "%s", text)
		})
	}
	for _, text := range []string{"", "%", ">", "> ", "=> 5", "= 5", "five", "5 %%", "5 apples", "200 ms", ">= >= 5", "NaN", "< inf", "-Inf%", "1,5"} {
		t.Run("not "+text, func(t *testing.T) {
			b := Bound{Op: "<", Value: 7}
			require.Error(t, b.UnmarshalText([]byte(text)))
			require.Equal(t, Bound{Op: "<", Value: 7}, b, "a failure changes nothing")
		})
	}
}

func TestBoundsSurviveWriting(t *testing.T) {
	for _, b := range []Bound{{">=", 99.9999999, Percent}, {"<", 1234, Time}, {"==", 123456789.123, Number}, {"!=", -1, Number}} {
		data, err := json.Marshal(b)
		require.NoError(t, err)
		var again Bound
		require.NoError(t, json.Unmarshal(data, &again))
		require.Equal(t, b, again, "%s", data)
	}
}

func TestHolds(t *testing.T) {
	for _, limit := range []float64{0, 0.3, 100, 5e7, 7e9, 1e15} {
		for _, c := range []struct {
			op                  string
			below, equal, above bool
		}{
			{"==", false, true, false},
			{"!=", true, false, true},
			{">=", false, true, true},
			{"<=", true, true, false},
			{">", false, false, true},
			{"<", true, false, false},
		} {
			b := Bound{Op: c.op, Value: limit}
			step := max(1, limit/10)
			require.Equal(t, c.below, b.Holds(limit-step), "%g %s", limit-step, b)
			require.Equal(t, c.equal, b.Holds(limit), "%g %s", limit, b)
			require.Equal(t, c.above, b.Holds(limit+step), "%g %s", limit+step, b)
		}
	}
	tenth := 0.1
	require.True(t, Bound{Op: "==", Value: 0.3}.Holds(3*tenth), "floating point costs nobody a verdict")
	require.False(t, Bound{Value: 0}.Holds(0), "a bound that was never read holds nothing")
}

func TestFormat(t *testing.T) {
	require.Equal(t, "33.3333%", Bound{Unit: Percent}.Format(100./3))
	require.Equal(t, "1.23s", Bound{Unit: Time}.Format(1.230001e9))
	require.Equal(t, "12", Bound{}.Format(12))
	require.Equal(t, ">= 99.9%", Bound{">=", 99.9, Percent}.String())
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"1.5s": 1500 * time.Millisecond, "0": 0, "0s": 0, "200ms": 200 * time.Millisecond, "1m": time.Minute} {
		var d Duration
		require.NoError(t, d.UnmarshalText([]byte(text)))
		require.Equal(t, want, d.D())
		data, err := d.MarshalText()
		require.NoError(t, err)
		var again Duration
		require.NoError(t, again.UnmarshalText(data))
		require.Equal(t, d, again)
	}
	for _, text := range []string{"", "5", "-1s", "ten seconds", "1 s", "1d"} {
		d := Duration(7)
		require.Error(t, d.UnmarshalText([]byte(text)), text)
		require.Equal(t, Duration(7), d)
	}
}

func TestConfig(t *testing.T) {
	for text, want := range map[string]Config{
		`"rules.yaml"`:   {Path: "rules.yaml"},
		`{"kind":"Any"}`: {Inline: json.RawMessage(`{"kind":"Any"}`)},
	} {
		var c Config
		require.NoError(t, json.Unmarshal([]byte(text), &c))
		require.Equal(t, want, c)
		data, err := json.Marshal(c)
		require.NoError(t, err)
		require.JSONEq(t, text, string(data))
	}
	for _, text := range []string{`5`, `[]`, `true`} {
		var c Config
		require.Error(t, json.Unmarshal([]byte(text), &c), text)
	}
}

func TestByteRate(t *testing.T) {
	for text, want := range map[string]ByteRate{
		"64kB/s": 64_000, "64 KB/s": 64_000, "2MiB/s": 2 << 20, "1.5MB/s": 1_500_000, "1KiB/s": 1024, "5B/s": 5,
	} {
		var r ByteRate
		require.NoError(t, r.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, r, text)
		var again ByteRate
		require.NoError(t, again.UnmarshalText([]byte(r.String())), text)
		require.Equal(t, r, again, text)
	}
	for _, text := range []string{"", "64", "kB/s", "-1kB/s", "0B/s", "64kb", "1e30MB/s", "NaNkB/s"} {
		var r ByteRate
		require.Error(t, r.UnmarshalText([]byte(text)), text)
	}
}
