package spec

import (
	"fmt"
	"strings"
)

// ByKind is what a request is told apart by.
type ByKind string

// The kinds of By.
const (
	ByValue  ByKind = "value"
	ByStatus ByKind = "status"
	ByHeader ByKind = "header"
	ByLabel  ByKind = "label"
)

// By is a key of requests: Name is a header, or a label of Workload (also subset, workload).
type By struct {
	Kind           ByKind
	Workload, Name string
}

// ParseBy reads value, status, header:NAME or WORKLOAD.LABEL; nothing is value.
func ParseBy(s string) (By, error) {
	if s == "" {
		return By{Kind: ByValue}, nil
	}
	if s == string(ByValue) || s == string(ByStatus) {
		return By{Kind: ByKind(s)}, nil
	}
	if name, ok := strings.CutPrefix(s, "header:"); ok && name != "" {
		return By{Kind: ByHeader, Name: strings.TrimSpace(name)}, nil
	}
	if i := strings.LastIndexByte(s, '.'); i > 0 && i < len(s)-1 {
		return By{Kind: ByLabel, Workload: s[:i], Name: s[i+1:]}, nil
	}
	return By{}, fmt.Errorf("%q tells nothing apart: say value, status, header:NAME or WORKLOAD.LABEL, such as reviews.version", s)
}

// AnswerHeaders lists the headers of answers that the checks look at, for the load generator to keep.
func (s *Scenario) AnswerHeaders() []string {
	var out []string
	add := func(by string, a Answer) {
		if b, err := ParseBy(by); err == nil && b.Kind == ByHeader {
			out = append(out, b.Name)
		}
		out = append(out, sorted(a.Headers)...)
	}
	for _, c := range s.Spec.Checks {
		switch {
		case c.Split != nil:
			add(c.Split.By, Answer{})
		case c.Rate != nil:
			add("", c.Rate.Answer)
		case c.Compare != nil:
			add(c.Compare.By, c.Compare.Answer)
		}
	}
	return unique(out)
}
