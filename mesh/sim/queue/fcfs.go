// Package queue has stations at which work waits and is served. They have no clock: the model draws service times and schedules the
// ends, and asks the station who is next.
package queue

// Admission is what happens to work that arrives.
type Admission uint8

// The admissions.
const (
	// Refused: there is no room.
	Refused Admission = iota
	// Waits until Done returns it.
	Waits
	// Starts now.
	Starts
)

// Unbounded is room for all who wait.
const Unbounded = -1

// FCFS serves in order of arrival, first come, first served, by a number of like servers: the station of Kendall's ·/·/c/K, whose K
// is servers and room together.
type FCFS struct {
	servers, room, busy int
	waiting             ring
}

// NewFCFS has servers, at least one, and room for those who wait, besides those who are served; 0 is none, Unbounded without limit.
func NewFCFS(servers, room int) *FCFS {
	if servers < 1 {
		panic("queue: a station without servers")
	}
	return &FCFS{servers: servers, room: room}
}

// Busy is how many are served.
func (q *FCFS) Busy() int { return q.busy }

// Waiting is how many wait.
func (q *FCFS) Waiting() int { return q.waiting.n }

// Arrive is for work that comes.
func (q *FCFS) Arrive(who uint32) Admission {
	switch {
	case q.busy < q.servers:
		q.busy++
		return Starts
	case q.room != Unbounded && q.waiting.n >= q.room:
		return Refused
	}
	q.waiting.push(who)
	return Waits
}

// Done is for the end of a service. It returns who starts now in its place, if anyone waits.
func (q *FCFS) Done() (next uint32, ok bool) {
	if q.busy == 0 {
		panic("queue: the end of a service that did not start")
	}
	if q.waiting.n == 0 {
		q.busy--
		return 0, false
	}
	return q.waiting.pop(), true
}

// ring is a queue in a slice whose length is a power of two.
type ring struct {
	items   []uint32
	head, n int
}

func (r *ring) push(x uint32) {
	if r.n == len(r.items) {
		larger := make([]uint32, max(8, 2*len(r.items)))
		copied := copy(larger, r.items[r.head:])
		copy(larger[copied:], r.items[:r.head])
		r.items, r.head = larger, 0
	}
	r.items[(r.head+r.n)&(len(r.items)-1)] = x
	r.n++
}

func (r *ring) pop() uint32 {
	x := r.items[r.head]
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.n--
	return x
}
