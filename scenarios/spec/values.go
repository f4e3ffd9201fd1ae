package spec

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time in Go's form: 1.5s, 200ms.
type Duration time.Duration

// D gives the plain duration.
func (d Duration) D() time.Duration { return time.Duration(d) }

// UnmarshalText reads 1.5s. Negative times are refused.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("a time such as 500ms or 10s is wanted")
	}
	if v < 0 {
		return fmt.Errorf("a time must not be negative")
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes 1.5s.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

func (d Duration) String() string { return time.Duration(d).String() }

// ByteRate is a number of bytes in a second: 64kB/s, 2MiB/s.
type ByteRate int64

// minRate is the least that a bandwidth can be.
const minRate ByteRate = 1000

// byteUnits are ordered so that a longer one comes before its tail.
var byteUnits = []struct {
	name string
	size float64
}{{"KiB/s", 1 << 10}, {"MiB/s", 1 << 20}, {"kB/s", 1e3}, {"KB/s", 1e3}, {"MB/s", 1e6}, {"B/s", 1}}

// UnmarshalText reads 64kB/s. A kB is 1,000 bytes, a KiB 1,024.
func (r *ByteRate) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	for _, u := range byteUnits {
		if number, ok := strings.CutSuffix(s, u.name); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err == nil && v > 0 && v*u.size < 1<<50 {
				*r = ByteRate(v * u.size)
				return nil
			}
			break
		}
	}
	return fmt.Errorf("a rate such as 64kB/s or 2MiB/s is wanted")
}

// MarshalText writes what UnmarshalText reads.
func (r ByteRate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

func (r ByteRate) String() string {
	if r%1000 == 0 {
		return strconv.FormatInt(int64(r)/1000, 10) + "kB/s"
	}
	return strconv.FormatInt(int64(r), 10) + "B/s"
}

// Unit says what a bound's number is.
type Unit string

// The units of bounds.
const (
	Number  Unit = ""
	Percent Unit = "%"
	Time    Unit = "time"
)

// Bound compares a measured number with a limit: ">= 99.9%", "< 200ms", "== 0", "12". Without an operator it is "==".
type Bound struct {
	Op    string
	Value float64
	Unit  Unit
}

var operators = []string{"==", "!=", ">=", "<=", ">", "<"}

// UnmarshalText reads an operator and a number, a percentage or a time.
func (b *Bound) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	out := Bound{Op: "=="}
	for _, op := range operators {
		if rest, ok := strings.CutPrefix(s, op); ok {
			out.Op, s = op, strings.TrimSpace(rest)
			break
		}
	}
	if rest, ok := strings.CutSuffix(s, "%"); ok {
		out.Unit, s = Percent, strings.TrimSpace(rest)
	} else if d, err := time.ParseDuration(s); err == nil && s != "0" {
		out.Unit, out.Value = Time, float64(d)
		*b = out
		return nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("a comparison such as \">= 99.9%%\", \"< 200ms\" or \"== 0\" is wanted")
	}
	out.Value = v
	*b = out
	return nil
}

// MarshalText writes the bound as it is read, with nothing rounded.
func (b Bound) MarshalText() ([]byte, error) {
	switch b.Unit {
	case Percent:
		return []byte(b.Op + " " + strconv.FormatFloat(b.Value, 'g', -1, 64) + "%"), nil
	case Time:
		return []byte(b.Op + " " + time.Duration(b.Value).String()), nil
	case Number:
	}
	return []byte(b.Op + " " + strconv.FormatFloat(b.Value, 'g', -1, 64)), nil
}

func (b Bound) String() string {
	return b.Op + " " + b.Format(b.Value)
}

// Format writes a number in the bound's unit; times are in nanoseconds.
func (b Bound) Format(v float64) string {
	switch b.Unit {
	case Percent:
		return strconv.FormatFloat(v, 'g', 6, 64) + "%"
	case Time:
		return time.Duration(v).Round(10 * time.Microsecond).String()
	case Number:
	}
	return strconv.FormatFloat(v, 'g', 10, 64)
}

// Holds compares a number of the bound's unit with its limit.
func (b Bound) Holds(v float64) bool {
	// What floating point costs, also where a number is too large for 1e-9 to change it: times are in nanoseconds.
	eps := 1e-9 * max(1, math.Abs(b.Value))
	switch b.Op {
	case "==":
		return math.Abs(v-b.Value) <= eps
	case "!=":
		return math.Abs(v-b.Value) > eps
	case ">=":
		return v >= b.Value-eps
	case "<=":
		return v <= b.Value+eps
	case ">":
		return v > b.Value
	case "<":
		return v < b.Value
	}
	return false
}

// Config is a file's path, or a document inline.
type Config struct {
	Path   string
	Inline json.RawMessage
}

// UnmarshalJSON takes a string as a path and an object as a document.
func (c *Config) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &c.Path)
	}
	if len(b) == 0 || b[0] != '{' {
		return fmt.Errorf("a file's path or a document is wanted")
	}
	c.Inline = append(json.RawMessage(nil), b...)
	return nil
}

// MarshalJSON writes what UnmarshalJSON reads.
func (c Config) MarshalJSON() ([]byte, error) {
	if c.Inline != nil {
		return c.Inline, nil
	}
	return json.Marshal(c.Path)
}
