package main

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/xds/eval"
)

// explainPrinter writes an explanation for people, a line for each decision.
type explainPrinter struct {
	w      io.Writer
	indent string
	err    error
}

// line prints a label and a text, and where it comes from.
func (p *explainPrinter) line(label, text, from string) {
	if from != "" {
		text = fmt.Sprintf("%-48s  %s", text, from)
	}
	if _, err := fmt.Fprintf(p.w, "%s  %-11s %s\n", p.indent, label, strings.TrimRight(text, " ")); err != nil && p.err == nil {
		p.err = err
	}
}

func printExplained(w io.Writer, e *explained) error {
	how := ""
	if e.Live {
		how = ", as its Envoy is configured now"
	}
	if _, err := fmt.Fprintf(w, "%s %s://%s%s from %s%s\n", e.Request.Method, e.Request.Scheme, e.Request.Authority, e.Request.Path, e.From, how); err != nil {
		return err
	}
	p := &explainPrinter{w: w}
	p.explanation(e)
	return p.err
}

func (p *explainPrinter) explanation(e *explained) {
	listener := e.Listener.Name
	if e.Live { // otherwise the address is made up
		listener += " at " + e.Listener.Address
	}
	if e.Listener.Via != "" {
		listener += ", captured by " + e.Listener.Via
	}
	p.line("listener", listener, places(e.Listener.Sources))
	switch {
	case e.TCP:
		p.line("route", "none: the bytes of the connection are passed on", "")
	case e.VirtualHost == "":
	default:
		p.line("host", fmt.Sprintf("%s, by its domain %s", e.VirtualHost, e.Domain), "")
		p.routes(e)
	}
	p.effects(e)
	if a := e.Answer; a != nil {
		p.line("answer", fmt.Sprintf("%d: %s", a.Status, a.Why), "")
		if a.Location != "" {
			p.line("", "location "+a.Location, "")
		}
		return
	}
	if e.Authority != e.Request.Authority || e.Path != e.Request.Path {
		p.line("rewritten", fmt.Sprintf("to %s%s", e.Authority, e.Path), "")
	}
	p.settings(e.Settings)
	for _, s := range e.Shares {
		p.share(e, s)
	}
	p.permissions(e.Permissions)
}

func (p *explainPrinter) routes(e *explained) {
	for _, c := range e.Routes {
		label, why := "not taken", c.Unmet
		switch {
		case c.Index == e.Route:
			label, why = "ROUTE", ""
		case c.Unmet == "" && e.Route >= 0 && c.Index > e.Route:
			label, why = "shadowed", fmt.Sprintf("it would take the request; route %d comes first", e.Route)
		}
		from := c.Rule
		if !c.Conditions.IsZero() {
			from = c.Conditions
		}
		rule := from.String()
		if rule == "" {
			rule = "default"
		}
		p.line(label, fmt.Sprintf("%d %s: %s", c.Index, c.Name, c.Match), rule)
		if why != "" {
			p.line("", "  "+why, "")
		}
	}
}

func (p *explainPrinter) effects(e *explained) {
	rule := ""
	if t := e.Taken(); t != nil {
		rule = t.Rule.String()
	}
	for _, f := range e.Faults {
		for _, text := range []string{f.Delay, f.Abort} {
			if text != "" {
				p.line("fault", text, rule)
			}
		}
	}
	for _, h := range e.Headers {
		p.line("headers", h, rule)
	}
	for _, m := range e.Mirrors {
		p.line("mirror", fmt.Sprintf("%v %% to %s", m.Percent, m.Cluster), rule)
	}
}

func (p *explainPrinter) share(e *explained, s eval.Share) {
	to := s.Cluster
	if len(e.Shares) > 1 {
		to = fmt.Sprintf("%s  %.4g %%", s.Cluster, s.Percent)
	}
	p.line("CLUSTER", to, places(s.Sources))
	if s.Missing {
		p.line("", "the proxy has no such cluster: 503, flag NC", "")
		return
	}
	if s.Authority != "" {
		p.line("rewritten", "to the host "+s.Authority, "")
	}
	for _, h := range s.Headers {
		p.line("headers", h, "")
	}
	if len(s.Endpoints) == 0 && len(s.Settings) > 0 && !strings.HasPrefix(s.Cluster, "Passthrough") {
		p.line("endpoints", "none: 503, flag UH", "")
	}
	for i, end := range s.Endpoints {
		label, text := "", e.nameOf(end.Address)
		if i == 0 {
			label = "endpoints"
		}
		if end.Locality != "" {
			text += " in " + end.Locality
		}
		if end.Priority > 0 {
			text += fmt.Sprintf(", priority %d", end.Priority)
		}
		if end.Health != "HEALTHY" && end.Health != "UNKNOWN" {
			text += ", " + strings.ToLower(end.Health)
		}
		p.line(label, text, "")
	}
	p.settings(s.Settings)
}

func (p *explainPrinter) settings(list []eval.Setting) {
	for _, s := range list {
		from := s.Rule.String()
		switch {
		case from == "" && s.Default:
			from = "default"
		case from == "":
			from = "by a rule"
		}
		p.line("", s.Name+" "+s.Value, from)
	}
}

// places lists where rules are written, each once.
func places(list []diag.Pos) string {
	var out []string
	sorted := append([]diag.Pos(nil), list...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Before(sorted[j]) })
	for _, pos := range sorted {
		out = append(out, pos.String())
	}
	return strings.Join(out, ", ")
}
