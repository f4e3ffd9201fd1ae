package config

import (
	"fmt"
	"regexp"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/squallmesh/squall/mesh/diag"
)

// finished sorts findings and keeps one where an alias led to the same place twice.
func finished(l diag.List) diag.List {
	l = l.Sorted()
	out := l[:0]
	for _, d := range l {
		if n := len(out); n > 0 && out[n-1].Pos == d.Pos && out[n-1].Code == d.Code && out[n-1].Message == d.Message {
			continue
		}
		out = append(out, d)
	}
	return out
}

// reporter adds findings that point at the fields of one document.
type reporter struct {
	doc   *Document
	diags *diag.List
	// build has the other documents; nil where there are none.
	build *build
}

func (r reporter) pos(path string) diag.Pos { return r.doc.Where(path) }

func (r reporter) errorf(code, path, format string, args ...any) {
	r.diags.Add(diag.Diagnostic{Code: code, Pos: r.pos(path), Path: path, Message: fmt.Sprintf(format, args...)})
}

func (r reporter) warnf(code, path, format string, args ...any) {
	r.diags.Add(diag.Diagnostic{Code: code, Severity: diag.Warning, Pos: r.pos(path), Path: path, Message: fmt.Sprintf(format, args...)})
}

func (r reporter) hint(format string, args ...any) { r.diags.Hint(format, args...) }

// missing reports a field that must be there, unless it is and could not be decoded.
func (r reporter) missing(path, format string, args ...any) {
	if !r.doc.damaged(path) {
		r.errorf("MISSING-FIELD", path, format, args...)
	}
}

// duration reads a time of at least a millisecond; zero is allowed where it means off.
func (r reporter) duration(d *durationpb.Duration, path string, zero bool) time.Duration {
	if d == nil {
		return 0
	}
	t := d.AsDuration()
	if t == 0 && zero || t >= time.Millisecond {
		return t
	}
	if zero {
		r.errorf("BAD-DURATION", path, "%s must be 0s (off) or at least 1ms, not %s", lastName(path), t)
	} else {
		r.errorf("BAD-DURATION", path, "%s must be at least 1ms, not %s", lastName(path), t)
	}
	return 0
}

// percent reads a percentage.
func (r reporter) percent(v float64, path string) float64 {
	if v >= 0 && v <= 100 {
		return v
	}
	r.errorf("BAD-PERCENT", path, "a percentage lies between 0 and 100, not at %v", v)
	return 0
}

// regex reports a regular expression that RE2 does not take.
func (r reporter) regex(expr, path string) {
	if _, err := regexp.Compile(expr); err != nil {
		r.errorf("BAD-REGEX", path, "the regular expression does not parse: %v", err)
		r.hint("the syntax is RE2: no look-around, no back references")
	}
}

func (r reporter) port(n uint32, path string) {
	if (n < 1 || n > 65535) && !r.doc.damaged(path) {
		r.errorf("BAD-PORT", path, "a port lies between 1 and 65535, not at %d", n)
	}
}

// count reads a number that cannot be negative.
func (r reporter) count(n int32, path string) uint32 {
	if n < 0 {
		r.errorf("OUT-OF-RANGE", path, "%s cannot be negative", lastName(path))
		return 0
	}
	return uint32(n)
}

// lastName gives the last name of a path.
func lastName(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '.' {
			return path[i+1:]
		}
	}
	return path
}
