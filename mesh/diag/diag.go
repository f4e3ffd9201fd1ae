// Package diag says what is wrong with something a person wrote, and where.
//
// A diagnostic is printed as
//
//	file:line:col: message [CODE]
//	    hint
//
// Readers of YAML collect all diagnostics of all files before they give up, so that a
// person sees every problem at once.
package diag

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// Pos is a place in a file. Line and Col count from 1; 0 means unknown.
type Pos struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

// IsZero reports whether p names no place at all.
func (p Pos) IsZero() bool { return p == Pos{} }

// String gives file:line:col, and leaves out what is unknown.
func (p Pos) String() string {
	switch {
	case p.File == "" && p.Line == 0:
		return ""
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Before orders positions by file, line and column.
func (p Pos) Before(q Pos) bool {
	if p.File != q.File {
		return p.File < q.File
	}
	if p.Line != q.Line {
		return p.Line < q.Line
	}
	return p.Col < q.Col
}

// Severity ranks diagnostics. The zero value is Error.
type Severity int

// Errors stop a command before anything starts; warnings are printed and go on.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the severity's name.
func (s *Severity) UnmarshalText(text []byte) error {
	switch string(text) {
	case "error":
		*s = Error
	case "warning":
		*s = Warning
	default:
		return fmt.Errorf("unknown severity %q", text)
	}
	return nil
}

// Diagnostic is one finding.
type Diagnostic struct {
	// Code names the kind of finding, in capitals: UNKNOWN-FIELD.
	Code string `json:"code"`
	// Severity is Error unless said otherwise.
	Severity Severity `json:"severity"`
	// Pos is where the finding is.
	Pos Pos `json:"pos"`
	// Path is the field's path within its document: spec.http[0].route[1].weight.
	Path string `json:"path,omitempty"`
	// Message says what is wrong, without a full stop.
	Message string `json:"message"`
	// Hint says what to do. It may be empty.
	Hint string `json:"hint,omitempty"`
}

// String gives the finding on one line, without the hint.
func (d Diagnostic) String() string {
	var b strings.Builder
	if p := d.Pos.String(); p != "" {
		b.WriteString(p)
		b.WriteString(": ")
	}
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Message)
	if d.Code != "" {
		b.WriteString(" [" + d.Code + "]")
	}
	return b.String()
}

// List collects findings. The zero value is ready for use.
type List []Diagnostic

// Errorf adds an error.
func (l *List) Errorf(code string, pos Pos, format string, args ...any) {
	*l = append(*l, Diagnostic{Code: code, Pos: pos, Message: fmt.Sprintf(format, args...)})
}

// Warnf adds a warning.
func (l *List) Warnf(code string, pos Pos, format string, args ...any) {
	*l = append(*l, Diagnostic{Code: code, Severity: Warning, Pos: pos, Message: fmt.Sprintf(format, args...)})
}

// Add adds findings as they are.
func (l *List) Add(ds ...Diagnostic) { *l = append(*l, ds...) }

// Hint gives the newest finding a hint.
func (l *List) Hint(format string, args ...any) {
	if n := len(*l); n > 0 {
		(*l)[n-1].Hint = fmt.Sprintf(format, args...)
	}
}

// Sorted gives the findings by place, each once.
func (l List) Sorted() List {
	out := append(List(nil), l...)
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Pos != out[j].Pos {
			return out[i].Pos.Before(out[j].Pos)
		}
		return out[i].Message < out[j].Message
	})
	kept := out[:0]
	for i, d := range out {
		if i == 0 || d != out[i-1] {
			kept = append(kept, d)
		}
	}
	return kept
}

// HasErrors reports whether anything in the list is an error.
func (l List) HasErrors() bool {
	for _, d := range l {
		if d.Severity == Error {
			return true
		}
	}
	return false
}

// Warnings gives the warnings alone.
func (l List) Warnings() List {
	var out List
	for _, d := range l {
		if d.Severity == Warning {
			out = append(out, d)
		}
	}
	return out
}

// Err gives nil without errors, and otherwise an error (of type Errors) that holds the whole list.
func (l List) Err() error {
	if !l.HasErrors() {
		return nil
	}
	return Errors{List: l.Sorted()}
}

// Errors is the error of a list that holds at least one error. errors.As finds it.
type Errors struct{ List List }

// Error gives all findings, one a line, hints indented below.
func (e Errors) Error() string { return e.List.Text() }

// Text gives all findings for people, one a line, hints indented below, in the list's order.
func (l List) Text() string {
	var b strings.Builder
	for i, d := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(d.String())
		if d.Hint != "" {
			b.WriteString("\n    " + strings.ReplaceAll(d.Hint, "\n", "\n    "))
		}
	}
	return b.String()
}

// From gives the findings that err carries, or nil.
func From(err error) List {
	if e, ok := errors.AsType[Errors](err); ok {
		return e.List
	}
	return nil
}
