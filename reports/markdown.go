package reports

import (
	"fmt"
	"io"
	"strings"

	"github.com/squallmesh/squall/scenarios/record"
)

// Markdown writes a run for a pull request, in GitHub's flavour.
func Markdown(w io.Writer, r *record.Run) error {
	res := NewResult(r)
	var b strings.Builder
	fmt.Fprintf(&b, "## %s %s: %s\n\n", mark(res.Verdict), escape(res.Name), res.Verdict)
	if res.Title != "" {
		fmt.Fprintf(&b, "%s\n\n", escape(res.Title))
	}
	if res.Reason != "" {
		fmt.Fprintf(&b, "**%s**\n\n", escape(res.Reason))
	}
	if advice := res.advice(); len(advice) > 0 {
		b.WriteString("### What to do\n\n")
		for _, a := range advice {
			fmt.Fprintf(&b, "- %s\n", escapeKeepingCode(a))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "### %s\n\n", upper(res.tally()))
	markdownChecks(&b, res)
	markdownEvents(&b, res)
	markdownRun(&b, res)
	_, err := io.WriteString(w, b.String())
	return err
}

func markdownChecks(b *strings.Builder, res Result) {
	if len(res.Checks) == 0 {
		b.WriteString("No check was judged.\n\n")
		return
	}
	b.WriteString("| | check | phase | measured | want | samples | where |\n|---|---|---|---|---|--:|---|\n")
	for _, c := range res.Checks {
		fmt.Fprintf(b, "| %s %s | %s | %s | %s | %s | %d | %s |\n", mark(c.Verdict), c.Verdict, escape(c.Name), escape(c.Phase), code(c.Measured), code(c.Want), c.Samples, code(c.Pos.String()))
	}
	b.WriteString("\n")
	if res.Declared != nil {
		fmt.Fprintf(b, "%s\n\n", res.Declared)
	}
	for _, c := range res.Checks {
		if c.Verdict != record.Pass {
			fmt.Fprintf(b, "- %s %s: %s\n", mark(c.Verdict), escape(c.Name), escape(c.Reason))
		}
	}
	if res.Verdict != record.Pass {
		b.WriteString("\n")
	}
}

func markdownEvents(b *strings.Builder, res Result) {
	if len(res.Events) == 0 {
		return
	}
	b.WriteString("### Events\n\n| when | what | effective after | evidence |\n|---|---|--:|---|\n")
	for _, e := range res.Events {
		evidence := escape(e.Evidence)
		if e.Missing != "" {
			evidence = strings.TrimSpace(evidence + " **missing:** " + escape(e.Missing))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", e.window(), escape(e.What), e.effective(), evidence)
	}
	b.WriteString("\n")
}

func markdownRun(b *strings.Builder, res Result) {
	b.WriteString("### Run\n\n")
	for _, l := range res.Loads {
		fmt.Fprintf(b, "- load %s: ", escape(l.Name))
		if l.Request != "" {
			fmt.Fprintf(b, "%s %s, ", code(l.Rate), code(l.Request))
		}
		fmt.Fprintf(b, "%d offered, %d sent, %d completed\n", l.Offered, l.Sent, l.Completed)
	}
	for _, g := range res.Gaps {
		fmt.Fprintf(b, "- gap: %s\n", escape(g))
	}
	for _, n := range res.Notes {
		fmt.Fprintf(b, "- note: %s\n", escape(n))
	}
	for _, w := range res.Warnings {
		fmt.Fprintf(b, "- %s\n", escape(w.String()))
	}
	fmt.Fprintf(b, "- %s, platform %s, Envoy %s, squall %s, seed %d\n", at(res.Seconds), orUnknown(res.Versions.Platform),
		orUnknown(res.Versions.Envoy), orUnknown(res.Versions.Squall), res.Seed)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return escape(s)
}

var markdownEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`", `*`, `\*`, `[`, `\[`, `]`, `\]`, `|`, `\|`, `~`, `\~`,
	`<`, `&lt;`, `&`, `&amp;`, `@`, `&#64;`, "\r", "", "\n", " ")

// escape makes text mean itself, on one line, and mention nobody.
func escape(s string) string { return markdownEscapes.Replace(s) }

// escapeKeepingCode leaves what stands between backticks as code.
func escapeKeepingCode(s string) string {
	parts := strings.Split(s, "`")
	if len(parts)%2 == 0 {
		return escape(s)
	}
	for i, p := range parts {
		if i%2 == 0 {
			parts[i] = escape(p)
		} else {
			parts[i] = code(p)
		}
	}
	return strings.Join(parts, "")
}

// code makes a span of code that also fits in a table.
func code(s string) string {
	s = strings.NewReplacer("|", `\|`, "\r", "", "\n", " ").Replace(s)
	switch {
	case s == "":
		return ""
	case strings.Contains(s, "`"):
		return "`` " + s + " ``"
	}
	return "`" + s + "`"
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
