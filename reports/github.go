package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/scenarios/record"
)

// Annotations writes workflow commands by which GitHub shows what did not pass beside its line: an error for what failed or broke, a
// warning for what is inconclusive.
func Annotations(w io.Writer, runs []*record.Run) error {
	var b strings.Builder
	for _, r := range runs {
		res := NewResult(r)
		said := false
		for _, c := range res.Checks {
			if c.Verdict == record.Pass {
				continue
			}
			said = true
			annotate(&b, level(c.Verdict), c.Pos, fmt.Sprintf("%s %s: %s", c.Verdict, res.Name, c.Name), c.Reason)
		}
		if !said && res.Verdict != record.Pass {
			annotate(&b, level(res.Verdict), diag.Pos{File: res.File, Line: 1}, fmt.Sprintf("%s %s", res.Verdict, res.Name), res.Reason)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Findings writes workflow commands for what is wrong with files.
func Findings(w io.Writer, list diag.List) error {
	var b strings.Builder
	for _, d := range list.Sorted() {
		text := d.Message
		if d.Hint != "" {
			text += "\n" + d.Hint
		}
		annotate(&b, d.Severity.String(), d.Pos, d.Code, text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func level(v record.Verdict) string {
	if v == record.Inconclusive {
		return "warning"
	}
	return "error"
}

// annotate writes one command; properties and message have their own ways to escape.
func annotate(b *strings.Builder, level string, pos diag.Pos, title, message string) {
	text := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	fmt.Fprintf(b, "::%s ", level)
	if pos.File != "" {
		fmt.Fprintf(b, "file=%s,", property.Replace(pos.File))
	}
	if pos.Line > 0 {
		fmt.Fprintf(b, "line=%d,", pos.Line)
	}
	if pos.Col > 0 {
		fmt.Fprintf(b, "col=%d,", pos.Col)
	}
	fmt.Fprintf(b, "title=%s::%s\n", property.Replace(title), text.Replace(message))
}

// Summary writes several runs for a pull request: a table of all, and in full those that did not pass.
func Summary(w io.Writer, runs []*record.Run) error {
	var b strings.Builder
	tally := map[record.Verdict]int{}
	for _, r := range runs {
		tally[verdict(r)]++
	}
	var parts []string
	for _, v := range []record.Verdict{record.Error, record.Fail, record.Inconclusive, record.Pass} {
		if tally[v] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d %s", mark(v), tally[v], v))
		}
	}
	fmt.Fprintf(&b, "## squall: %s\n\n| | scenario | time | |\n|---|---|--:|---|\n", strings.Join(parts, ", "))
	for _, r := range runs {
		res := NewResult(r)
		fmt.Fprintf(&b, "| %s %s | %s | %.1f s | %s |\n", mark(res.Verdict), res.Verdict, escape(res.Name), res.Seconds, escape(res.Reason))
	}
	b.WriteString("\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	for _, r := range runs {
		if verdict(r) == record.Pass {
			continue
		}
		if err := Markdown(w, r); err != nil {
			return err
		}
	}
	return nil
}
