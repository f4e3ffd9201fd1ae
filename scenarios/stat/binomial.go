package stat

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// UpperTail is P(X >= x) of n draws at share p: the regularised incomplete beta function I_p(x, n-x+1), which is exact and keeps its
// relative precision where the tail is small.
func UpperTail(x, n int, p float64) float64 {
	switch {
	case x <= 0:
		return 1
	case x > n || p <= 0:
		return 0
	case p >= 1:
		return 1
	}
	return min(1, mathext.RegIncBeta(float64(x), float64(n-x+1), p))
}

// LowerTail is P(X <= x) of n draws at share p.
func LowerTail(x, n int, p float64) float64 { return UpperTail(n-x, n, 1-p) }

// atLeast is the smallest count whose upper tail at share p is no more than rate; n+1 if there is none.
func atLeast(n int, p, rate float64) int {
	low, high := 0, n+1 // the tail of low is above rate, that of high is not
	for high-low > 1 {
		if middle := low + (high-low)/2; UpperTail(middle, n, p) <= rate {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// atMost is the largest count whose lower tail at share p is no more than rate; -1 if there is none.
func atMost(n int, p, rate float64) int { return n - atLeast(n, 1-p, rate) }

// ClopperPearson is the exact interval of a share, x of n: each bound is wrong with at most the chance rate (Clopper and
// Pearson, 1934). n > 0.
func ClopperPearson(x, n int, rate float64) Interval {
	return Interval{Low: lowerBound(x, n, rate), High: 1 - lowerBound(n-x, n, rate)}
}

func lowerBound(x, n int, rate float64) float64 {
	if x <= 0 {
		return 0
	}
	return mathext.InvRegIncBeta(float64(x), float64(n-x+1), rate)
}

// mass is P(X = x) of n draws at share p.
func mass(x, n int, p float64) float64 {
	if p <= 0 || p >= 1 {
		if x == 0 && p <= 0 || x == n && p >= 1 {
			return 1
		}
		return 0
	}
	return math.Exp(logChoose(n, x) + float64(x)*math.Log(p) + float64(n-x)*math.Log1p(-p))
}

func logChoose(n, k int) float64 { return logFactorial(n) - logFactorial(k) - logFactorial(n-k) }

func logFactorial(n int) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}
