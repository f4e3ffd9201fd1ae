package stat

import "math"

// Sequential decides on outcomes one by one, and may be asked after each: its error rates hold over all looks together, whenever
// the stream ends.
//
// Half of each rate is spent on looks at every outcome. Each hypothesis "the share is at most b" (or at least b) has
// likelihood ratios Λ of alternatives θ on its far side: after x hits among n outcomes Λ = (θ/b)^x ((1-θ)/(1-b))^(n-x). While
// the hypothesis is true, Λ is a supermartingale that begins at 1: a step multiplies it by 1 + (p-b)(θ-b)/(b(1-b)) on average,
// which is at most 1. So by Ville's inequality P(Λ ever reaches 1/α) <= α, which is Wald's bound of the sequential probability
// ratio test (1945), and it holds for every share that the hypothesis allows, not only for b.
//
//   - Pass: "off below" and "off above" are each rejected once, for every value, with θ the target and α = FalsePass/2.
//   - Fail: "not below" or "not above" is rejected with a mixture of alternatives further and further off, of equal weights. Its
//     largest part alone has to reach the bound, which the mixture reaches no later. Sides and values share FalseFail/2.
//
// The other half is spent on one look with exact binomial tails, as in Share, when the planned sample is full, or at the end of a
// stream that is shorter: it bounds how long a test may have to last. The sum of both halves bounds each error.
//
// The logarithm of Λ is a straight line in x and n, so a look costs a few additions.
type Sequential struct {
	parts    []*sequentialShare
	n        int
	planned  int
	looked   bool
	decision Decision
}

// Sequential begins a test outcome by outcome.
func (s Split) Sequential() *Sequential { return newSequential(s.shares()) }

// Sequential begins a test outcome by outcome; outcome 0 counts for the share, every other against it.
func (s Share) Sequential() *Sequential { return newSequential([]Share{s}) }

func newSequential(list []Share) *Sequential {
	out := &Sequential{planned: neededSequential(list)}
	for _, share := range list {
		half := share.half()
		out.parts = append(out.parts, &sequentialShare{share: half, open: half.boundaries(), sides: half.boundaries()})
	}
	return out
}

// Add takes an outcome, the index of its value in Targets, and gives the decision. Once decided it stays, and takes no more.
func (s *Sequential) Add(value int) Decision {
	if s.decision != Open {
		return s.decision
	}
	s.n++
	s.combine(func(i int, p *sequentialShare) Decision { return p.add(value == i) })
	if s.decision == Open && s.n == s.planned {
		s.look()
	}
	return s.decision
}

// End says that there are no more outcomes. When the stream ends must not depend on what the outcomes were.
func (s *Sequential) End() Decision {
	if s.decision == Open && s.n > 0 && !s.looked {
		s.look()
	}
	return s.decision
}

func (s *Sequential) look() {
	s.looked = true
	s.combine(func(_ int, p *sequentialShare) Decision { return p.look() })
}

func (s *Sequential) combine(part func(int, *sequentialShare) Decision) {
	all := Pass
	for i, p := range s.parts {
		switch part(i, p) {
		case Fail:
			s.decision = Fail
			return
		case Open:
			all = Open
		case Pass:
		}
	}
	s.decision = all
}

// Decision is the decision so far.
func (s *Sequential) Decision() Decision { return s.decision }

// Taken is how many outcomes were taken: all until it was decided.
func (s *Sequential) Taken() int { return s.n }

// line is the logarithm of a likelihood ratio: hit for each hit, miss for each miss. It rejects from bar on.
type line struct{ hit, miss, bar float64 }

func ratio(alternative, hypothesis, bar float64) line {
	return line{
		hit: math.Log(alternative / hypothesis), miss: math.Log1p(-alternative) - math.Log1p(-hypothesis), bar: bar,
	}
}

func (l line) crossed(hits, misses float64) bool { return hits*l.hit+misses*l.miss >= l.bar }

// boundary is one side on which a share can be off: from bound on.
type boundary struct {
	bound float64
	above bool
	// pass rejects that the share is off, fail that it is not.
	pass line
	fail []line
}

// sequentialShare is the test of one share. The rates of share are halved already.
type sequentialShare struct {
	share        Share
	hits, misses int
	// sides are all that can be off, open those of which it is not yet rejected.
	sides, open []boundary
}

func (s *sequentialShare) add(hit bool) Decision {
	if hit {
		s.hits++
	} else {
		s.misses++
	}
	hits, misses := float64(s.hits), float64(s.misses)
	for _, b := range s.sides {
		for _, l := range b.fail {
			if l.crossed(hits, misses) {
				return Fail
			}
		}
	}
	return s.close(func(b boundary) bool { return b.pass.crossed(hits, misses) })
}

// look uses the exact tails.
func (s *sequentialShare) look() Decision {
	n := s.hits + s.misses
	if s.share.Judge(s.hits, n) == Fail {
		return Fail
	}
	return s.close(func(b boundary) bool {
		if b.above {
			return LowerTail(s.hits, n, b.bound) <= s.share.FalsePass
		}
		return UpperTail(s.hits, n, b.bound) <= s.share.FalsePass
	})
}

// close takes away the sides that are rejected.
func (s *sequentialShare) close(rejected func(boundary) bool) Decision {
	if len(s.sides) == 0 {
		return Open // no share is off
	}
	kept := s.open[:0]
	for _, b := range s.open {
		if !rejected(b) {
			kept = append(kept, b)
		}
	}
	s.open = kept
	if len(kept) == 0 {
		return Pass
	}
	return Open
}

// half of the rates.
func (s Share) half() Share {
	s.FalsePass /= 2
	s.FalseFail /= 2
	return s
}

// probe is the share at which a sequential test is sharpest: the target, but a little off 0 and 1, where a single odd outcome would
// weigh without bound.
func (s Share) probe() float64 {
	edge := min(s.Tolerance, 1) / 10
	return min(max(s.Target, edge), 1-edge)
}

// boundaries of the sides that can be off.
func (s Share) boundaries() []boundary {
	var out []boundary
	add := func(bound, room float64, above bool) {
		b := boundary{bound: bound, above: above, pass: ratio(s.probe(), bound, -math.Log(s.FalsePass))}
		var offs []float64
		for step := s.Tolerance / 2; step < room && len(offs) < 6; step *= 2 {
			offs = append(offs, step)
		}
		if len(offs) == 0 && room > 0 {
			offs = []float64{room / 2}
		}
		for _, off := range offs {
			if !above {
				off = -off
			}
			b.fail = append(b.fail, ratio(bound+off, bound, math.Log(float64(len(offs))*s.sides()/s.FalseFail)))
		}
		out = append(out, b)
	}
	if low, ok := s.low(); ok {
		add(low, low, false)
	}
	if high, ok := s.high(); ok {
		add(high, 1-high, true)
	}
	return out
}

// NeededSequential is how many outcomes a sequential test must be able to take: so many, and the chance not to have passed at
// the target is at most FalseInconclusive. It usually passes long before. 0 if MaxSample are not enough.
func (s Share) NeededSequential() int { return neededSequential([]Share{s}) }

// NeededSequential is as of Share.
func (s Split) NeededSequential() int { return neededSequential(s.shares()) }

func neededSequential(list []Share) int {
	fails, span := 0.0, 0
	for _, s := range list {
		if s.sides() == 0 {
			return 0
		}
		fails += s.half().failsAtTarget()
		span = max(span, spanOf(s.Tolerance))
	}
	if fails >= list[0].FalseInconclusive {
		return 0
	}
	return smallest(span, 0, func(n int) bool {
		sum := fails
		for _, s := range list {
			sum += s.half().notPass(n)
		}
		return sum <= list[0].FalseInconclusive
	})
}

// failsAtTarget bounds the chance that a look at every outcome ever fails at the target. There Λ^r is a martingale for one r > 1, and so
// P(Λ ever reaches B) <= B^-r (Wald's fundamental identity, 1944; Lundberg's exponent).
func (s Share) failsAtTarget() float64 {
	sum := 0.0
	for _, b := range s.boundaries() {
		for _, l := range b.fail {
			sum += math.Exp(-l.bar * exponent(l, s.Target))
		}
	}
	return sum
}

// exponent solves p·e^(r·hit) + (1-p)·e^(r·miss) = 1 for r > 1. What it gives is no larger than the root.
func exponent(l line, p float64) float64 {
	mean := func(r float64) float64 { return p*math.Exp(r*l.hit) + (1-p)*math.Exp(r*l.miss) }
	low, high := 1.0, 2.0
	for mean(high) < 1 && high < 1e6 {
		low, high = high, 2*high
	}
	for range 60 {
		if middle := (low + high) / 2; mean(middle) < 1 {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}
