package pace

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// poisson grows its schedule as it is asked for; what it answers depends on the seed and the name alone.
type poisson struct {
	rate Rate
	name string

	mu     sync.Mutex
	random *rand.Rand
	at     float64 // of the last request, in nanoseconds
	due    []time.Duration
}

var _ Pacer = (*poisson)(nil)

// NewPoisson is a schedule of independent users: the gaps between requests, and before the first, are exponentially
// distributed with the mean 1/rate. The same seed and name give the same schedule. It holds 8 bytes per request asked for.
func NewPoisson(rate Rate, seed uint64, name string) Pacer {
	return &poisson{
		rate: rate, name: fmt.Sprintf("%s, Poisson, seed %d, stream %q", rate, seed, name), random: Stream(seed, "pacer/"+name),
	}
}

func (p *poisson) Rate(t time.Duration) float64 {
	if t < 0 {
		return 0
	}
	return p.rate.PerSecond()
}

// grow adds one request; the caller holds the lock.
func (p *poisson) grow() {
	p.at += p.random.ExpFloat64() / p.rate.PerSecond() * 1e9
	p.due = append(p.due, fromSeconds(p.at/1e9))
}

func (p *poisson) Hits(until time.Duration) uint64 {
	if p.rate.IsZero() || until <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.due) == 0 || p.due[len(p.due)-1] < until {
		p.grow()
	}
	n, _ := slices.BinarySearch(p.due, until)
	return uint64(n)
}

func (p *poisson) Due(n uint64) time.Duration {
	if p.rate.IsZero() {
		return Never
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for uint64(len(p.due)) <= n {
		p.grow()
	}
	return p.due[n]
}

func (p *poisson) String() string { return p.name }
