package pace_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen/pace"
)

func TestParseRate(t *testing.T) {
	for s, want := range map[string]pace.Rate{
		"20/s":          {Count: 20, Per: time.Second},
		" 20 / s ":      {Count: 20, Per: time.Second},
		"90/m":          {Count: 90, Per: time.Minute},
		"1.5/s":         {Count: 15, Per: 10 * time.Second},
		"0.25/m":        {Count: 25, Per: 100 * time.Minute},
		"2.000000000/s": {Count: 2, Per: time.Second},
		"0/s":           {Count: 0, Per: time.Second},
	} {
		got, err := pace.ParseRate(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
		again, err := pace.ParseRate(got.String())
		require.NoError(t, err, s)
		require.InDelta(t, got.PerSecond(), again.PerSecond(), 1e-9, s)
	}
	for s, want := range map[string]string{
		"20":           `"20" is not a rate: it has no unit; write for instance 20/s or 90/m`,
		"":             `"" is not a rate: it has no unit; write for instance 20/s or 90/m`,
		"20/h":         `"20/h" is not a rate: the unit "h" is neither s nor m; write for instance 20/s or 90/m`,
		"/s":           `"/s" is not a rate: the number is missing; write for instance 20/s or 90/m`,
		"-1/s":         `"-1/s" is not a rate: it is negative; write for instance 20/s or 90/m`,
		"1e3/s":        `"1e3/s" is not a rate: "1e3" is not a decimal number; write for instance 20/s or 90/m`,
		"1./s":         `"1./s" is not a rate: "1." is not a decimal number; write for instance 20/s or 90/m`,
		"20/s..200/s":  `"20/s..200/s" is not a rate: the unit "s..200/s" is neither s nor m; write for instance 20/s or 90/m`,
		"0.1234567/s":  `"0.1234567/s" is not a rate: it has more than 6 decimals; write for instance 20/s or 90/m`,
		"1000000001/s": `"1000000001/s" is not a rate: it is more than a billion; write for instance 20/s or 90/m`,
	} {
		_, err := pace.ParseRate(s)
		require.EqualError(t, err, want)
		require.ErrorIs(t, err, pace.ErrRate)
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"20/s", "1.5/s", "90/m", "x", "0/s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := pace.ParseRate(s)
		if err != nil {
			return
		}
		p := pace.NewConstant(r)
		if hits := p.Hits(time.Hour); hits > 0 && (p.Due(hits-1) >= time.Hour || p.Due(hits) < time.Hour) {
			t.Errorf("%s: Hits and Due disagree at %d", s, hits)
		}
	})
}
