package stat

// Split tests how a sample is divided over several values: a multinomial, judged by the exact binomial tails of each value. Values
// beyond Targets are the caller's matter: counts must sum to the size of the sample.
type Split struct {
	// Targets are the shares wanted, in a fixed order; they sum to 1.
	Targets []float64
	// Tolerance of each share, as in Share.
	Tolerance float64
	Errors
}

// shares are the tests that the split consists of. The shares of two values are one and the same test. Of more, all must pass, each
// at the whole FalsePass, and any one fails, each at its part of FalseFail.
func (s Split) shares() []Share {
	list := s.Targets
	if len(list) == 2 {
		list = list[:1]
	}
	var out []Share
	for _, target := range list {
		share := Share{Target: target, Tolerance: s.Tolerance, Errors: s.Errors}
		share.FalseFail /= float64(len(list))
		out = append(out, share)
	}
	return out
}

// Judge decides on the counts of the values, in the order of Targets.
func (s Split) Judge(counts []int) Decision {
	n := 0
	for _, c := range counts {
		n += c
	}
	out := Pass
	for i, share := range s.shares() {
		switch share.Judge(counts[i], n) {
		case Fail:
			return Fail
		case Open:
			out = Open
		case Pass:
		}
	}
	return out
}

// Interval holds the share of one value, as Share.Interval does.
func (s Split) Interval(x, n int) Interval { return ClopperPearson(x, n, s.FalsePass) }

// Needed is the planned sample, as of Share. For three values and more it bounds the chance not to pass by the sum over the values.
func (s Split) Needed() int { return neededShares(s.shares()) }
