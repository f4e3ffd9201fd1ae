package pace

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is Count requests per Per, kept as two whole numbers so that a schedule has no rounding that adds up.
// The zero Rate is no request at all; Per <= 0 counts as one second.
type Rate struct {
	Count uint64
	Per   time.Duration
}

// PerSecond is n requests a second.
func PerSecond(n uint64) Rate { return Rate{Count: n, Per: time.Second} }

// maxDecimals bounds the digits after the point, and maxCount those before it, so that all products fit.
const (
	maxDecimals = 6
	maxCount    = 1_000_000_000
)

// ErrRate is wrapped by all errors of ParseRate.
var ErrRate = errors.New("not a rate")

// ParseRate reads "20/s", "1.5/s" or "90/m": a decimal number of at most six decimals and at most a billion, requests
// per second or per minute. "0/s" is a rate: none.
func ParseRate(s string) (Rate, error) {
	fail := func(why string) (Rate, error) {
		return Rate{}, fmt.Errorf("%q is %w: %s; write for instance 20/s or 90/m", s, ErrRate, why)
	}
	number, unit, found := strings.Cut(strings.TrimSpace(s), "/")
	if !found {
		return fail("it has no unit")
	}
	var per time.Duration
	switch strings.TrimSpace(unit) {
	case "s":
		per = time.Second
	case "m":
		per = time.Minute
	default:
		return fail(fmt.Sprintf("the unit %q is neither s nor m", unit))
	}
	number = strings.TrimSpace(number)
	whole, fraction, hasPoint := strings.Cut(number, ".")
	switch {
	case number == "":
		return fail("the number is missing")
	case strings.HasPrefix(number, "-"):
		return fail("it is negative")
	case !digits(whole) || hasPoint && !digits(fraction):
		return fail(fmt.Sprintf("%q is not a decimal number", number))
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > maxDecimals {
		return fail(fmt.Sprintf("it has more than %d decimals", maxDecimals))
	}
	if n, err := strconv.ParseUint(whole, 10, 64); err != nil || n > maxCount {
		return fail("it is more than a billion")
	}
	count, err := strconv.ParseUint(whole+fraction, 10, 64)
	if err != nil {
		return fail("it is too large")
	}
	for range fraction {
		per *= 10
	}
	return Rate{Count: count, Per: per}, nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func (r Rate) per() time.Duration {
	if r.Per <= 0 {
		return time.Second
	}
	return r.Per
}

// PerSecond is the rate in requests per second.
func (r Rate) PerSecond() float64 { return float64(r.Count) / r.per().Seconds() }

// IsZero tells whether there is no request.
func (r Rate) IsZero() bool { return r.Count == 0 }

// String is what ParseRate reads, as far as the rate has at most six decimals per second or minute.
func (r Rate) String() string {
	perSecond := r.PerSecond()
	s := strconv.FormatFloat(perSecond, 'f', -1, 64)
	if _, fraction, _ := strings.Cut(s, "."); len(fraction) <= maxDecimals {
		return s + "/s"
	}
	return strconv.FormatFloat(float64(r.Count)/r.per().Minutes(), 'f', -1, 64) + "/m"
}

// MarshalText writes String.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText is ParseRate.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
