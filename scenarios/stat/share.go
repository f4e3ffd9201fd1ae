package stat

// Share tests the share of one outcome by exact binomial tails. The counts that it judges are of a sample whose size does
// not depend on them; for a look at every sample use Sequential.
type Share struct {
	// Target is the share wanted, from 0 to 1.
	Target float64
	// Tolerance is how far off is too far, above 0, as a difference of shares: 0.03 is 3 percentage points. A side on which no share
	// is that far off is not tested: a target of 0 with a tolerance of 0.01 says "less than 1 %".
	Tolerance float64
	Errors
}

func (s Share) low() (float64, bool)  { return s.Target - s.Tolerance, s.Target-s.Tolerance >= 0 }
func (s Share) high() (float64, bool) { return s.Target + s.Tolerance, s.Target+s.Tolerance <= 1 }

// sides is how many sides can be off.
func (s Share) sides() float64 {
	n := 0.0
	if _, ok := s.low(); ok {
		n++
	}
	if _, ok := s.high(); ok {
		n++
	}
	return n
}

// Judge decides on x of n. n = 0 is Open, and so is a tolerance that holds every share.
func (s Share) Judge(x, n int) Decision {
	low, below := s.low()
	high, above := s.high()
	if n <= 0 || !below && !above {
		return Open
	}
	if (!below || UpperTail(x, n, low) <= s.FalsePass) && (!above || LowerTail(x, n, high) <= s.FalsePass) {
		return Pass
	}
	part := s.FalseFail / s.sides()
	if below && LowerTail(x, n, low) <= part || above && UpperTail(x, n, high) <= part {
		return Fail
	}
	return Open
}

// Interval holds the share of x of n. Judge passes exactly when it lies within the tolerance: each bound is wrong with at
// most the chance FalsePass.
func (s Share) Interval(x, n int) Interval { return ClopperPearson(x, n, s.FalsePass) }

// notPass is the chance that n samples do not pass although the share is the target: an exact sum of two tails.
func (s Share) notPass(n int) float64 {
	from, to := 0, n // the counts that pass
	if low, ok := s.low(); ok {
		from = atLeast(n, low, s.FalsePass)
	}
	if high, ok := s.high(); ok {
		to = atMost(n, high, s.FalsePass)
	}
	if from > to {
		return 1
	}
	return min(1, LowerTail(from-1, n, s.Target)+UpperTail(to+1, n, s.Target))
}

// Needed is the planned sample: from so many samples on, the chance not to pass at the target is at most FalseInconclusive. 0 if
// MaxSample are not enough.
func (s Share) Needed() int { return neededShares([]Share{s}) }

// neededShares plans for several shares that must all pass: their chances not to add up.
func neededShares(list []Share) int {
	span := 0
	for _, s := range list {
		if s.sides() == 0 {
			return 0
		}
		span = max(span, spanOf(s.Tolerance))
	}
	return smallest(span, 0, func(n int) bool {
		sum := 0.0
		for _, s := range list {
			sum += s.notPass(n)
		}
		return sum <= list[0].FalseInconclusive
	})
}
