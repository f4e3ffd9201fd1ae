package queue

import (
	"math"
	"time"
)

// Sharing serves all at once: n jobs on c processors each get min(1, c/n) of one. It is egalitarian processor sharing, what threads
// that compute come to on c cores.
//
// The time that a job still needs shrinks for all jobs alike, so the station keeps one measure, how much service a job got that was
// there from the start, and each job the measure at which it ends. Whenever a job comes or goes, the next end is another one.
type Sharing struct {
	processors int
	// attained is the service, in nanoseconds, of a job that was there since the station was last empty, up to the moment since.
	attained float64
	since    time.Duration
	jobs     []job // a binary heap, the first to end on top
	arrivals uint64
}

type job struct {
	ends    float64 // attained at its end
	arrival uint64  // breaks ties
	who     uint32
}

// NewSharing has processors, at least one.
func NewSharing(processors int) *Sharing {
	if processors < 1 {
		panic("queue: a station without processors")
	}
	return &Sharing{processors: processors}
}

// Jobs is how many are served.
func (s *Sharing) Jobs() int { return len(s.jobs) }

// rate is how fast a job is served.
func (s *Sharing) rate() float64 { return min(1, float64(s.processors)/float64(len(s.jobs))) }

func (s *Sharing) advance(now time.Duration) {
	if len(s.jobs) > 0 {
		s.attained += float64(now-s.since) * s.rate()
	} else {
		s.attained = 0 // small numbers keep their precision
	}
	s.since = now
}

// Arrive is for a job that comes at now and needs so much service: the time that it would take alone. Next is another afterwards.
func (s *Sharing) Arrive(now time.Duration, who uint32, service time.Duration) {
	s.advance(now)
	s.arrivals++
	s.jobs = append(s.jobs, job{s.attained + float64(service), s.arrivals, who})
	for i := len(s.jobs) - 1; i > 0; {
		parent := (i - 1) / 2
		if !s.jobs[i].before(s.jobs[parent]) {
			break
		}
		s.jobs[i], s.jobs[parent] = s.jobs[parent], s.jobs[i]
		i = parent
	}
}

// Next is when the next job ends if none comes before; false without jobs. It is rounded up to a whole nanosecond.
func (s *Sharing) Next() (time.Duration, bool) {
	if len(s.jobs) == 0 {
		return 0, false
	}
	return s.since + time.Duration(math.Ceil(max(0, s.jobs[0].ends-s.attained)/s.rate())), true
}

// Done takes out the job that ends first, at the time that Next said. There must be one.
func (s *Sharing) Done(now time.Duration) (who uint32) {
	s.advance(now)
	who = s.jobs[0].who
	last := len(s.jobs) - 1
	s.jobs[0] = s.jobs[last]
	s.jobs = s.jobs[:last]
	for i := 0; ; {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if s.jobs[child].before(s.jobs[first]) {
				first = child
			}
		}
		if first == i {
			return who
		}
		s.jobs[i], s.jobs[first] = s.jobs[first], s.jobs[i]
		i = first
	}
}

func (j job) before(k job) bool {
	if j.ends != k.ends {
		return j.ends < k.ends
	}
	return j.arrival < k.arrival
}
