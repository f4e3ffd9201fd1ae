package study

import (
	"math/rand/v2"
	"slices"
)

// Grid gives every combination of the parameters' values, the last parameter fastest. A range counts as its two ends.
func Grid(params []Param) [][]string {
	points := [][]string{nil}
	for _, p := range params {
		values := p.Values
		if p.Range() {
			values = []string{p.Value(p.Low), p.Value(p.High)}
		}
		var next [][]string
		for _, point := range points {
			for _, v := range values {
				next = append(next, append(slices.Clip(point), v))
			}
		}
		points = next
	}
	return points
}

// Hypercube gives n points of a Latin hypercube: each parameter's range is cut into n slices, and each slice has one point. Of a
// parameter with a list of values each comes equally often, as far as n allows.
// Source: McKay, Beckman and Conover, "A comparison of three methods for selecting values of input variables" (1979).
func Hypercube(params []Param, n int, r *rand.Rand) [][]string {
	points := make([][]string, n)
	for _, p := range params {
		for i, slice := range r.Perm(n) {
			var v string
			if p.Range() {
				v = p.Value(p.Low + (p.High-p.Low)*(float64(slice)+r.Float64())/float64(n))
			} else {
				v = p.Values[slice%len(p.Values)]
			}
			points[i] = append(points[i], v)
		}
	}
	return points
}
