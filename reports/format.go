package reports

import (
	"fmt"
	"strconv"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// mark of a verdict; it says the same as the colour.
func mark(v record.Verdict) string {
	switch v {
	case record.Pass:
		return "✓"
	case record.Fail:
		return "✗"
	case record.Inconclusive:
		return "?"
	case record.Error:
	}
	return "!"
}

// took writes a time with three digits: 1.25s, 48ms, 310µs.
func took(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return digits(float64(d)/1e6) + "ms"
	}
	return digits(d.Seconds()) + "s"
}

// digits keeps three, and all of those before the point.
func digits(v float64) string {
	if v >= 100 || v <= -100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// at writes a moment: 10.0s.
func at(seconds float64) string { return fmt.Sprintf("%.1fs", seconds) }

// window says from when to when an event lasted.
func (e Event) window() string {
	if e.Until > 0 {
		return at(e.At) + " – " + at(e.Until)
	}
	return at(e.At)
}

// effective says how long it was until an event was effective.
func (e Event) effective() string { return took(time.Duration(e.Took * 1e9)) }

// count writes a number with what is counted: 1 check, 3 checks.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + one + "s"
}

// tally says how many checks had which verdict: 3 checks: 2 pass, 1 fail.
func (r Result) tally() string {
	n := map[record.Verdict]int{}
	for _, c := range r.Checks {
		n[c.Verdict]++
	}
	s := count(len(r.Checks), "check")
	sep := ": "
	for _, v := range []record.Verdict{record.Pass, record.Fail, record.Inconclusive, record.Error} {
		if n[v] > 0 {
			s += sep + strconv.Itoa(n[v]) + " " + string(v)
			sep = ", "
		}
	}
	return s
}

func redactAll(all []string) []string {
	out := []string{}
	for _, s := range all {
		out = append(out, record.Redact(s))
	}
	return out
}
