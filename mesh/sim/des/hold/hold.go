// Package hold has the hold model, the usual measure of event queues: a number of events that stays the same, each of which schedules
// one more when it happens (Jones, "An empirical comparison of priority-queue and event-set implementations", 1986).
package hold

import (
	"math/rand/v2"
	"time"

	"github.com/squallmesh/squall/mesh/sim/des"
)

// mean of the exponential times between an event and the one that it schedules.
const mean = time.Millisecond

// Model is a kernel with a number of pending events.
type Model struct {
	kernel *des.Kernel
	delays *rand.Rand
}

// New has so many pending events.
func New(pending int, seed uint64) *Model {
	m := &Model{kernel: des.New(0), delays: des.Stream(seed, "hold")}
	for i := range pending {
		m.kernel.After(m.delay(), 0, uint32(i))
	}
	return m
}

func (m *Model) delay() time.Duration { return time.Duration(m.delays.ExpFloat64() * float64(mean)) }

// Run lets so many events happen. Each one costs one Next, one draw of an exponential number and one After.
func (m *Model) Run(events int) {
	for range events {
		e, _ := m.kernel.Next(des.Forever)
		m.kernel.After(m.delay(), e.Kind, e.Who)
	}
}

// Pending is the number of events that wait.
func (m *Model) Pending() int { return m.kernel.Pending() }
