package assert

import (
	"fmt"
	"slices"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/scenarios/spec"
	"github.com/squallmesh/squall/scenarios/stat"
)

// Running is a sequential check of a load's answers while the load goes on, so that an engine may end the load once it is decided.
// It has the same outcomes in the same order as the check has over the record, and so decides at the same request. It is not
// safe for use by several goroutines.
type Running struct {
	load    string
	next    uint64
	waiting map[uint64]int // values by Seq, of answers that came before others that were due earlier
	value   func(*loadgen.Result) int
	test    *stat.Sequential
	odd     bool
}

// NewRunning begins a check that is sequential and is judged by answers alone; others have no running form, and are an error. first
// is the Seq of the first request that is due in the check's phase.
func NewRunning(s *spec.Scenario, c *spec.Check, first uint64) (*Running, error) {
	out := &Running{next: first, waiting: map[uint64]int{}}
	e := s.ErrorsOf(c)
	switch {
	case c.Split != nil && c.Split.Sequential:
		by, err := spec.ParseBy(c.Split.By)
		if err != nil {
			return nil, err
		}
		if by.Kind == spec.ByLabel {
			return nil, fmt.Errorf("%s is known from logs, which come later than answers", c.Split.By)
		}
		values, test := c.Split.Test(e)
		out.load, out.test = c.Split.Load, test.Sequential()
		out.value = func(res *loadgen.Result) int { return slices.Index(values, key(by, res)) }
	case c.Rate != nil && c.Rate.Sequential:
		if c.Rate.From != "" || c.Rate.To != "" {
			return nil, fmt.Errorf("calls between workloads are known from logs, which come later than answers")
		}
		if c.Rate.Traced {
			return nil, fmt.Errorf("what is traced is known from spans, which come later than answers")
		}
		out.load, out.test = c.Rate.Load, c.Rate.Test(e).Sequential()
		out.value = func(res *loadgen.Result) int { return hit(matches(c.Rate.Answer, res)) }
	default:
		return nil, fmt.Errorf("only a sequential split or rate is decided while its load goes on")
	}
	return out, nil
}

// Add takes an answer, in whatever order they come. It waits for those of requests that were due earlier: answers that come soon are not like
// the others. Other loads' and earlier phases' are ignored.
func (r *Running) Add(res loadgen.Result) stat.Decision {
	if res.Load != r.load || res.Seq < r.next || r.Decision() != stat.Open {
		return r.Decision()
	}
	r.waiting[res.Seq] = r.value(&res)
	for {
		v, ok := r.waiting[r.next]
		if !ok {
			return r.Decision()
		}
		delete(r.waiting, r.next)
		r.next++
		if v < 0 {
			r.odd = true
			return stat.Fail // a value that nobody wants
		}
		if r.test.Add(v) != stat.Open {
			return r.test.Decision()
		}
	}
}

// Decision is the decision so far.
func (r *Running) Decision() stat.Decision {
	if r.odd {
		return stat.Fail
	}
	return r.test.Decision()
}

// Taken is how many requests it took so far.
func (r *Running) Taken() int { return r.test.Taken() }

// hit is what a test of one share takes: outcome 0 counts for it.
func hit(yes bool) int {
	if yes {
		return 0
	}
	return 1
}
