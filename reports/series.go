package reports

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/scenarios/record"
)

// series is a run cut into buckets of time. Moments are in seconds from t = 0.
type series struct {
	from, to float64
	// step is a bucket's length.
	step   float64
	events []Event
	loads  []*loadSeries
	// flags counts hops with each response flag; names are sorted by number, most first.
	flags     []map[string]int
	flagNames []string
	flagTotal map[string]int
}

// loadSeries is one load.
type loadSeries struct {
	name string
	// offered counts requests that were due in a bucket, answered whole answers that came in it.
	offered, answered []int
	// latencies of the requests that were due in a bucket, sorted.
	latencies [][]time.Duration
	// outcomes counts the requests that were due in a bucket by class.
	outcomes []map[string]int
	total    map[string]int
	n        int
}

// classes of outcomes in the order of their bars, from below.
var classes = []string{"2xx and 3xx", "4xx", "5xx", "no answer"}

func classOf(r *loadgen.Result) string {
	switch {
	case strings.HasPrefix(r.Err, loadgen.ErrGRPC):
		return classes[2]
	case r.Err != "" || r.Status == 0:
		return classes[3]
	case r.Status >= 500:
		return classes[2]
	case r.Status >= 400:
		return classes[1]
	}
	return classes[0]
}

// cut puts what was seen into at most most buckets.
func cut(r *record.Run, res Result, most int) *series {
	s := &series{events: res.Events, flagTotal: map[string]int{}}
	s.span(r)
	s.step = niceStep((s.to - s.from) / float64(most))
	n := s.bucket(s.to) + 1
	byName := map[string]*loadSeries{}
	load := func(name string) *loadSeries {
		l := byName[name]
		if l == nil {
			l = &loadSeries{
				name: name, offered: make([]int, n), answered: make([]int, n), latencies: make([][]time.Duration, n),
				outcomes: make([]map[string]int, n), total: map[string]int{},
			}
			byName[name] = l
			s.loads = append(s.loads, l)
		}
		return l
	}
	for _, l := range r.Loads {
		load(l.Name)
	}
	for i := range r.Results {
		q := &r.Results[i]
		l, b := load(q.Load), s.bucketOf(r, q.Scheduled)
		l.n++
		l.offered[b]++
		l.latencies[b] = append(l.latencies[b], q.Latency())
		if l.outcomes[b] == nil {
			l.outcomes[b] = map[string]int{}
		}
		l.outcomes[b][classOf(q)]++
		l.total[outcomeOf(q)]++
		if e := q.End.Sub(r.Start).Seconds(); q.Answered() && e <= s.to {
			l.answered[s.bucketOf(r, q.End)]++
		}
	}
	for _, l := range s.loads {
		for _, b := range l.latencies {
			slices.Sort(b)
		}
	}
	s.countFlags(r, n)
	return s
}

// span finds when the run began and ended. What was settled afterwards is not shown.
func (s *series) span(r *record.Run) {
	s.from = -r.Warmup.Seconds()
	for _, p := range r.Phases {
		s.to = max(s.to, p.To.Seconds())
	}
	for _, e := range s.events {
		s.to = max(s.to, e.At, e.Until)
	}
	for i := range r.Results {
		at := r.Results[i].Scheduled.Sub(r.Start).Seconds()
		s.from, s.to = min(s.from, at), max(s.to, at)
	}
	if s.to <= s.from {
		s.to = s.from + 1
	}
}

// bucket of a moment; one of them begins at t = 0.
func (s *series) bucket(t float64) int {
	first := floor(s.from / s.step)
	return max(0, floor(min(max(t, s.from), s.to-s.step*1e-6)/s.step)-first)
}

func (s *series) bucketOf(r *record.Run, t time.Time) int { return s.bucket(t.Sub(r.Start).Seconds()) }

// edges of a bucket, within the run.
func (s *series) edges(b int) (from, to float64) {
	first := floor(s.from / s.step)
	return max(s.from, float64(b+first)*s.step), min(s.to, float64(b+first+1)*s.step)
}

func (s *series) countFlags(r *record.Run, n int) {
	s.flags = make([]map[string]int, n)
	for i := range r.Hops {
		h := &r.Hops[i]
		for _, flag := range h.Flags {
			b := s.bucketOf(r, h.Time)
			if s.flags[b] == nil {
				s.flags[b] = map[string]int{}
			}
			s.flags[b][flag]++
			s.flagTotal[flag]++
		}
	}
	s.flagNames = byCount(s.flagTotal)
}

// outcomeOf names one outcome: a status or an error.
func outcomeOf(r *loadgen.Result) string {
	switch {
	case r.Err != "":
		return record.Redact(r.Err)
	case r.Status == 0:
		return "no answer"
	}
	return fmt.Sprint(r.Status)
}

// byCount sorts names by number, most first, then by name.
func byCount(counts map[string]int) []string {
	return slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
}

func floor(v float64) int {
	n := int(v)
	if v < 0 && float64(n) != v {
		n--
	}
	return n
}
