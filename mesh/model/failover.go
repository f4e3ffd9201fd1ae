package model

import "strings"

// FailoverRank is 0 for the caller's own place, more the farther an endpoint is.
func (lb *LocalityLB) FailoverRank(from Locality, labels map[string]string, e Endpoint) uint32 {
	if len(lb.FailoverPriority) > 0 {
		for i, l := range lb.FailoverPriority {
			key, want, fixed := strings.Cut(l, "=")
			if !fixed {
				want = labels[key]
			}
			if e.Labels[key] != want {
				return uint32(len(lb.FailoverPriority) - i)
			}
		}
		return 0
	}
	to := e.Locality
	switch {
	case to == from:
		return 0
	case to.Region == from.Region && to.Zone == from.Zone:
		return 1
	case to.Region == from.Region:
		return 2
	}
	for _, f := range lb.Failover {
		if f.From == from.Region {
			if f.To == to.Region {
				return 3
			}
			return 4
		}
	}
	return 3
}

// In compares a locality with region/zone/subzone, of which a tail may be missing or *.
func (l Locality) In(pattern string) bool {
	have := []string{l.Region, l.Zone, l.SubZone}
	for i, p := range strings.SplitN(pattern, "/", 3) {
		if p == "*" {
			return true
		}
		if p != have[i] {
			return false
		}
	}
	return true
}
