package explore

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/scenarios/record"
)

// lineage is what the answers of a run needed: the calls between workloads that its requests led to.
type lineage struct {
	services  []string // that were called
	workloads []string // that were called
	callers   []string
	pairs     [][2]string // caller and called, by Deployment
}

// lineageOf reads it off the logs. A service that no request reached cannot matter, nor can what is between two that do not call each other.
func lineageOf(run *record.Run) lineage {
	var l lineage
	add := func(list *[]string, name string) {
		if name != "" && !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	for i := range run.Hops {
		h := &run.Hops[i]
		host, _, _ := strings.Cut(h.Cluster[strings.LastIndexByte(h.Cluster, '|')+1:], ".")
		add(&l.services, host)
		from, ok := run.WorkloadOf(h.Proxy)
		if !ok || host == "" {
			continue
		}
		address, _, _ := strings.Cut(h.UpstreamAddress, ":")
		to, ok := run.WorkloadAt(address)
		if !ok {
			continue
		}
		add(&l.workloads, to.Owner)
		add(&l.callers, from.Owner)
		if pair := [2]string{from.Owner, to.Owner}; !slices.Contains(l.pairs, pair) {
			l.pairs = append(l.pairs, pair)
		}
	}
	slices.Sort(l.services)
	slices.Sort(l.workloads)
	slices.SortFunc(l.pairs, func(a, b [2]string) int {
		return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]))
	})
	return l
}

// idle counts the workloads that had no part in it.
func (l lineage) idle(run *record.Run) (n int) {
	for _, w := range run.Workloads {
		if !slices.Contains(l.workloads, w.Owner) && !slices.Contains(l.callers, w.Owner) {
			n++
		}
	}
	return n
}

// space is what can be broken, and when.
type space struct {
	// places are the faults that there are, without times and sizes.
	places   []Fault
	from, to time.Duration
	longest  time.Duration // of a delay
}

func newSpace(l lineage, kinds []Kind, from, to, longest time.Duration) space {
	s := space{from: from, to: to, longest: longest}
	for _, k := range kinds {
		switch k {
		case Delay, Abort:
			for _, to := range l.services {
				s.places = append(s.places, Fault{Kind: k, To: to, Percent: 100})
			}
		case Pause, Kill:
			for _, to := range l.workloads {
				s.places = append(s.places, Fault{Kind: k, To: to, Percent: 100})
			}
		case Latency, Stall, Reset:
			for _, pair := range l.pairs {
				s.places = append(s.places, Fault{Kind: k, From: pair[0], To: pair[1], Percent: 100})
			}
		}
	}
	return s
}

// grain is what times are multiples of.
const grain = 100 * time.Millisecond

// worst is the strongest fault at a place: all the time, as much as may be.
func (s space) worst(f Fault) Fault {
	f.At, f.For = s.from, s.to-s.from
	f.Size = s.size(f.Kind, s.longest)
	return f
}

func (s space) size(k Kind, d time.Duration) time.Duration {
	if k == Delay || k == Latency {
		return d
	}
	return 0
}

// sizes, shares and lengths are what is drawn from.
var (
	sizes  = []time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 7 * time.Second}
	shares = []float64{10, 30, 50, 100}
)

// draw gives a fault at a place at random times, of a random size.
func (s space) draw(r *rand.Rand, f Fault) Fault {
	room := int64((s.to - s.from) / grain)
	length := 1 + r.Int64N(room)
	f.For = time.Duration(length) * grain
	f.At = s.from + time.Duration(r.Int64N(room-length+1))*grain
	f.Size = s.size(f.Kind, min(s.longest, sizes[r.IntN(len(sizes))]))
	if f.Kind == Delay || f.Kind == Abort {
		f.Percent = shares[r.IntN(len(shares))]
	}
	return f
}

// change varies a candidate: one fault is drawn anew, moved to another place, taken away, or another one is added.
func (s space) change(r *rand.Rand, list []Fault, most int) []Fault {
	out := slices.Clone(list)
	i := r.IntN(len(out))
	switch n := r.IntN(4); {
	case n == 0 && len(out) < most:
		return tidy(append(out, s.draw(r, s.places[r.IntN(len(s.places))])))
	case n == 1 && len(out) > 1:
		return tidy(slices.Delete(out, i, i+1))
	case n == 2:
		out[i] = s.draw(r, s.places[r.IntN(len(s.places))])
	default:
		out[i] = s.draw(r, out[i])
	}
	return tidy(out)
}
