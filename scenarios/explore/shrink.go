package explore

import (
	"context"
	"slices"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// shrink makes a failing combination as cheap as it can: fewer faults first, then shorter, smaller and rarer ones, as long as one of the
// checks that failed still does.
func (s *search) shrink(ctx context.Context, worst outcome) (outcome, error) {
	want := failed(worst.run)
	for {
		smaller, err := s.smaller(ctx, worst, want)
		if err != nil || smaller == nil {
			return worst, err
		}
		worst = *smaller
	}
}

// firm gives a combination that is not at the very edge of failing, as a machine's times are never quite the model's: each fault half as long
// again and a fifth larger than the least that fails, where that still fails.
func (s *search) firm(ctx context.Context, least outcome) (outcome, error) {
	list := slices.Clone(least.faults)
	for i := range list {
		f := &list[i]
		f.For = min(s.space.to-f.At, (f.For*3/2 + halfSecond - 1).Truncate(halfSecond))
		f.Size = min(max(f.Size, s.space.longest), (f.Size*6/5 + grain - 1).Truncate(grain))
	}
	got := s.try(ctx, [][]Fault{list})[0]
	if got.err != nil && ctx.Err() == nil {
		return least, got.err
	}
	if got.err == nil && got.run.Verdict == record.Fail {
		return got, nil
	}
	return least, nil
}

const halfSecond = 500 * time.Millisecond

// smaller tries the next steps from a combination, and gives the first that still fails; nil without one.
func (s *search) smaller(ctx context.Context, from outcome, want []record.Result) (*outcome, error) {
	for chunk := range slices.Chunk(steps(from.faults, s.space), batch) {
		chunk = chunk[:min(len(chunk), max(0, s.o.Runs-s.report.Runs))]
		for _, got := range s.try(ctx, chunk) {
			if got.err != nil {
				if ctx.Err() != nil {
					return nil, nil // what there is is what there is
				}
				return nil, got.err
			}
			if got.run.Verdict == record.Fail && slices.ContainsFunc(failed(got.run), func(c record.Result) bool {
				return slices.ContainsFunc(want, func(w record.Result) bool { return w.Index == c.Index })
			}) {
				return &got, nil
			}
		}
	}
	return nil, nil
}

// steps are the combinations that are one step cheaper, the largest steps first.
func steps(list []Fault, sp space) (out [][]Fault) {
	if len(list) > 1 {
		for i := range list {
			out = append(out, slices.Delete(slices.Clone(list), i, i+1))
		}
	}
	if first := list[0].At; first > sp.from { // together, so that what must meet still does
		next := slices.Clone(list)
		for i := range next {
			next[i].At -= first - sp.from
		}
		out = append(out, next)
	}
	for i, f := range list {
		with := func(g Fault) {
			next := slices.Clone(list)
			next[i] = g
			out = append(out, tidy(next))
		}
		for _, share := range []time.Duration{4, 2} {
			if d := (f.For / share).Truncate(grain); d >= grain && d < f.For {
				g := f
				g.For = d
				with(g)
			}
			if d := (f.Size / share).Truncate(grain); d >= grain && d < f.Size {
				g := f
				g.Size = d
				with(g)
			}
		}
		for _, less := range []time.Duration{time.Second, grain} {
			if f.Size-less >= grain {
				g := f
				g.Size = f.Size - less
				with(g)
			}
			if f.For-less >= grain {
				g := f
				g.For = f.For - less
				with(g)
				g.At = f.At + less
				if len(list) > 1 { // by its beginning, towards the others
					with(g)
				}
			}
		}
		if (f.Kind == Delay || f.Kind == Abort) && f.Percent > 10 {
			g := f
			g.Percent = 10
			if f.Percent > 50 {
				g.Percent = 50
			}
			with(g)
		}
		if f.At != sp.from { // the plainest time is the first
			g := f
			g.At = sp.from
			with(g)
		}
	}
	return out
}
