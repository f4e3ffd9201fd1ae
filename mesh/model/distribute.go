package model

// DistributeFrom gives the rule that divides the calls of a locality over others, or nil.
func (lb *LocalityLB) DistributeFrom(from Locality) *Distribute {
	if lb.Disabled {
		return nil
	}
	for i, d := range lb.Distribute {
		if from.In(d.From) {
			return &lb.Distribute[i]
		}
	}
	return nil
}

// Weights gives each of some groups of endpoints, by their places and weights, its weight under the rule: a share goes to the places that it
// names and no earlier one does, by their own weights. A group that no share names has 0.
func (d *Distribute) Weights(places []Locality, weights []uint32) []uint32 {
	out := make([]uint32, len(places))
	for _, to := range d.To {
		var matched []int
		total := uint32(0)
		for i, p := range places {
			if out[i] == 0 && p.In(to.Locality) {
				matched = append(matched, i)
				total += weights[i]
			}
		}
		for _, i := range matched {
			out[i] = max(1, to.Weight*weights[i]/max(1, total))
		}
	}
	return out
}
