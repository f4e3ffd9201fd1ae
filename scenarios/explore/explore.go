// Package explore searches for the faults that break a scenario: which, where, when and for how long. It knows nothing of how a scenario
// is run: who asks gives it a function that runs one with more faults, in virtual time.
package explore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/loadgen/pace"
	"github.com/squallmesh/squall/scenarios/record"
)

// Options of a search.
type Options struct {
	// Run runs the scenario with more faults and judges it. It is called by several goroutines, and the same faults give the same run.
	Run func(ctx context.Context, faults []Fault) (*record.Run, error)
	// Seed of what is drawn.
	Seed uint64
	// Runs bounds how often the scenario is run in all, shrinking included.
	Runs int
	// Findings is how many different combinations are wanted, and Faults how many faults one may have.
	Findings, Faults int
	// Kinds of faults.
	Kinds []Kind
	// From and To are when faults may be in force, from t = 0. Longest is the longest delay.
	From, To, Longest time.Duration
	// Parallel is how many runs there are at a time; results do not depend on it.
	Parallel int
	// Progress takes a line for people now and then.
	Progress func(format string, args ...any)
}

// Finding is a combination of faults that makes checks fail, shrunk.
type Finding struct {
	Faults []Fault
	// Least is the smallest form in which it failed; Faults have a margin, so that it shows on a machine too.
	Least []Fault
	// Failed are the checks that fail, Evidence what calls show that they do not show without the faults.
	Failed   []record.Result
	Evidence []string
}

// Report is what came of a search.
type Report struct {
	Findings []Finding
	// Runs there were, and Seen different behaviours among them.
	Runs, Seen int
	// Places are what can be broken in how many ways, and Pruned the workloads that cannot matter, because no request needs them.
	Places, Pruned int
	// Spent says that the search ended because its runs were.
	Spent bool
}

// ErrBase is wrapped where the scenario does not pass by itself.
var ErrBase = errors.New("the scenario must pass before anything is broken")

// batch is how many candidates are tried between two looks at what came of them, whatever the number of processors.
const batch = 8

type search struct {
	o      Options
	space  space
	random *rand.Rand
	base   *record.Run
	known  map[string]bool // behaviours
	tried  map[string]bool // candidates
	corpus [][]Fault       // candidates that showed something new
	report Report
}

// outcome of a candidate.
type outcome struct {
	faults []Fault
	run    *record.Run
	err    error
}

// Search looks for combinations of faults that make the scenario's checks fail: first every fault by itself, as strong as may be; then
// combinations drawn at random; then variations of those that showed calls, flags and traces not seen before. What is found is shrunk, and
// what contains it is not tried again.
func Search(ctx context.Context, o Options) (*Report, error) {
	s := &search{o: o, random: pace.Stream(o.Seed, "explore"), known: map[string]bool{}, tried: map[string]bool{}}
	base := s.try(ctx, [][]Fault{nil})[0]
	switch {
	case base.err != nil:
		return nil, base.err
	case base.run.Verdict != record.Pass:
		return nil, fmt.Errorf("%w: it is %s (%s)", ErrBase, base.run.Verdict, reason(base.run))
	}
	s.base = base.run
	s.learn(base)
	l := lineageOf(base.run)
	s.space = newSpace(l, o.Kinds, o.From, o.To, o.Longest)
	if len(s.space.places) == 0 {
		return nil, errors.New("no request calls a service: there is nothing to break")
	}
	s.report.Places, s.report.Pruned = len(s.space.places), l.idle(base.run)
	if err := s.singles(ctx); err != nil {
		return nil, err
	}
	for s.open() && ctx.Err() == nil {
		before := s.report.Runs
		if err := s.round(ctx, s.candidates()); err != nil {
			return nil, err
		}
		if s.report.Runs == before { // nothing is left that was not tried
			break
		}
	}
	slices.SortStableFunc(s.report.Findings, func(a, b Finding) int {
		switch x, y := Cost(a.Faults), Cost(b.Faults); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	s.report.Seen, s.report.Spent = len(s.known), s.report.Runs >= o.Runs
	return &s.report, nil
}

func (s *search) open() bool {
	return len(s.report.Findings) < s.o.Findings && s.report.Runs < s.o.Runs
}

// singles tries each fault by itself, the cheapest first.
func (s *search) singles(ctx context.Context) error {
	var all [][]Fault
	for _, f := range s.space.places {
		all = append(all, []Fault{s.space.worst(f)})
	}
	slices.SortStableFunc(all, func(a, b []Fault) int { return int(Cost(a)*1e3) - int(Cost(b)*1e3) })
	for chunk := range slices.Chunk(all, batch) {
		if !s.open() || ctx.Err() != nil {
			return nil
		}
		if err := s.round(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// candidates draws some: half at random, half from what showed something new.
func (s *search) candidates() (out [][]Fault) {
	for range 50 * batch {
		if len(out) == batch {
			break
		}
		var list []Fault
		if len(s.corpus) > 0 && s.random.IntN(2) == 0 {
			list = s.space.change(s.random, s.corpus[s.random.IntN(len(s.corpus))], s.o.Faults)
		} else {
			for range 1 + s.random.IntN(s.o.Faults) {
				list = append(list, s.space.draw(s.random, s.space.places[s.random.IntN(len(s.space.places))]))
			}
			list = tidy(list)
		}
		if key := fmt.Sprint(list); !s.tried[key] && !s.contains(list) && distinct(list) {
			s.tried[key] = true
			out = append(out, list)
		}
	}
	return out
}

// distinct tells whether no place is broken twice.
func distinct(list []Fault) bool {
	for i, f := range list {
		if slices.ContainsFunc(list[:i], func(g Fault) bool { return g.where() == f.where() }) {
			return false
		}
	}
	return true
}

// contains tells whether a combination has all the places of one that was found: it would say nothing new.
func (s *search) contains(list []Fault) bool {
	return slices.ContainsFunc(s.report.Findings, func(found Finding) bool {
		for _, f := range found.Faults {
			if !slices.ContainsFunc(list, func(g Fault) bool { return g.where() == f.where() }) {
				return false
			}
		}
		return true
	})
}

// round tries candidates and shrinks those that fail.
func (s *search) round(ctx context.Context, list [][]Fault) error {
	list = slices.DeleteFunc(slices.Clone(list), s.contains)
	list = list[:min(len(list), max(0, s.o.Runs-s.report.Runs))]
	for _, got := range s.try(ctx, list) {
		switch {
		case got.err != nil && ctx.Err() != nil:
			return nil
		case got.err != nil:
			return got.err
		}
		if s.learn(got) && got.run.Verdict != record.Fail {
			s.corpus = append(s.corpus, got.faults)
		}
		if got.run.Verdict != record.Fail || s.contains(got.faults) || len(s.report.Findings) >= s.o.Findings {
			continue
		}
		found, err := s.shrink(ctx, got)
		if err != nil {
			return err
		}
		if s.contains(found.faults) {
			continue
		}
		least := found.faults
		if found, err = s.firm(ctx, found); err != nil {
			return err
		}
		s.report.Findings = append(s.report.Findings, Finding{Faults: found.faults, Least: least, Failed: failed(found.run), Evidence: s.evidence(found.run)})
		s.o.Progress("after %d runs: %s", s.report.Runs, words(found.faults))
	}
	return nil
}

func words(list []Fault) string {
	var out []string
	for _, f := range list {
		out = append(out, f.String())
	}
	return strings.Join(out, "; ")
}

func failed(run *record.Run) (out []record.Result) {
	for _, c := range run.Checks {
		if c.Verdict == record.Fail {
			out = append(out, c)
		}
	}
	return out
}

func reason(run *record.Run) string {
	if run.Broken != "" {
		return run.Broken
	}
	return run.Reason
}
