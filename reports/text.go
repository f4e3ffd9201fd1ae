package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/squallmesh/squall/scenarios/record"
)

// Text writes a run for a terminal: a line per check, then the verdict. colour adds ANSI colours.
func Text(w io.Writer, r *record.Run, colour bool) error {
	res := NewResult(r)
	paint := func(v record.Verdict, s string) string {
		if !colour {
			return s
		}
		codes := map[record.Verdict]string{record.Pass: "32", record.Fail: "31", record.Inconclusive: "33", record.Error: "35"}
		return "\x1b[" + codes[v] + "m" + s + "\x1b[0m"
	}
	var b strings.Builder
	for _, c := range res.Checks {
		fmt.Fprintf(&b, "  %s %s", paint(c.Verdict, mark(c.Verdict)), plain(c.Name))
		if c.Measured != "" {
			fmt.Fprintf(&b, ": %s", plain(c.Measured))
		}
		if c.Want != "" {
			fmt.Fprintf(&b, " (want %s)", plain(c.Want))
		}
		fmt.Fprintf(&b, ", %s\n", count(c.Samples, "sample"))
		if c.Verdict != record.Pass {
			fmt.Fprintf(&b, "      %s: %s\n", plain(where(c)), plain(c.Reason))
		}
	}
	if res.Declared != nil {
		fmt.Fprintf(&b, "  %s\n", res.Declared)
	}
	for _, g := range res.Gaps {
		fmt.Fprintf(&b, "  gap: %s\n", plain(g))
	}
	fmt.Fprintf(&b, "%s %s in %s: %s\n", paint(res.Verdict, strings.ToUpper(string(res.Verdict))), plain(res.Name), at(res.Seconds), plain(res.Reason))
	_, err := io.WriteString(w, b.String())
	return err
}

// plain keeps a text on one line and takes out what a terminal would obey.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < 0x20 || r >= 0x7f && r < 0xa0:
			return -1
		}
		return r
	}, s)
}
