package match

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// Text compares a string, as a model.StringMatch says.
type Text struct {
	kind  model.MatchKind
	value string
	re    *regexp.Regexp
}

// NewText reads a comparison. The error is a regular expression that RE2 does not know.
func NewText(m model.StringMatch) (Text, error) {
	out := Text{kind: m.Kind, value: m.Value}
	if m.Kind != model.Regex {
		return out, nil
	}
	var err error
	if out.re, err = regexp.Compile("^(?:" + m.Value + ")$"); err != nil { // the whole must match
		return out, fmt.Errorf("the regular expression %q: %w", m.Value, err)
	}
	return out, nil
}

// Matches compares. Present takes any text.
func (t Text) Matches(s string) bool {
	switch t.kind {
	case model.Exact:
		return s == t.value
	case model.Prefix:
		return strings.HasPrefix(s, t.value)
	case model.Regex:
		return t.re.MatchString(s)
	case model.Present:
	}
	return true
}

// folded compares without regard to case; a regular expression stays as it is.
func (t Text) folded(s string) bool {
	switch t.kind {
	case model.Exact:
		return strings.EqualFold(s, t.value)
	case model.Prefix:
		return len(s) >= len(t.value) && strings.EqualFold(s[:len(t.value)], t.value)
	case model.Regex, model.Present:
	}
	return t.Matches(s)
}
