package backend

import (
	"fmt"
	"strings"
)

// State is what has reached the backend since it started or was last reset.
type State struct {
	// Ports has an entry for each port.
	Ports map[string]PortState `json:"ports"`
	// Attempts counts arrivals per request id and attempt, in the order in which each pair first arrived. Requests
	// without an x-request-id are not in it. [Client.Wait] leaves it out.
	Attempts []AttemptCount `json:"attempts,omitempty"`
	// Omitted counts arrivals that found no room in Attempts; see [Options].MaxRequestIDs.
	Omitted int64 `json:"omitted,omitempty"`
}

// PortState counts requests and connections of one port.
type PortState struct {
	// Arrived counts all requests.
	Arrived int64 `json:"arrived"`
	// Held is how many are held now.
	Held int64 `json:"held"`
	// InFlight is how many have arrived and neither completed nor left, those held included.
	InFlight int64 `json:"inFlight"`
	// Completed counts those that ended by the backend's doing: answered, reset or closed.
	Completed int64 `json:"completed"`
	// Left counts those whose caller went away first.
	Left int64 `json:"left"`
	// Statuses counts completed requests by how they ended: the HTTP status as in "200", on the grpc port "grpc-0" for the
	// gRPC status, on the tcp port "line"; "reset", "close".
	Statuses map[string]int64 `json:"statuses"`
	// ConnectionsOpened counts connections accepted.
	ConnectionsOpened int64 `json:"connectionsOpened"`
	// ConnectionsOpen is how many are open now.
	ConnectionsOpen int64 `json:"connectionsOpen"`
}

// AttemptCount is how many times a request arrived as a given attempt. More than one means that a proxy duplicated it
// (a mirror, a hedge) or numbers attempts afresh.
type AttemptCount struct {
	RequestID string `json:"requestID"`
	Attempt   int    `json:"attempt"`
	Count     int64  `json:"count"`
}

// Total returns the sums over all ports.
func (s State) Total() PortState {
	t := PortState{Statuses: map[string]int64{}}
	for _, p := range s.Ports {
		t.Arrived += p.Arrived
		t.Held += p.Held
		t.InFlight += p.InFlight
		t.Completed += p.Completed
		t.Left += p.Left
		t.ConnectionsOpened += p.ConnectionsOpened
		t.ConnectionsOpen += p.ConnectionsOpen
		for k, n := range p.Statuses {
			t.Statuses[k] += n
		}
	}
	return t
}

// Range is a range of counts, both ends included; a nil end is open.
type Range struct {
	Min *int64 `json:"min,omitempty"`
	Max *int64 `json:"max,omitempty"`
}

// AtLeast is the range from n.
func AtLeast(n int64) *Range { return &Range{Min: &n} }

// AtMost is the range up to n.
func AtMost(n int64) *Range { return &Range{Max: &n} }

// Exactly is the range of n alone.
func Exactly(n int64) *Range { return &Range{Min: &n, Max: &n} }

func (r *Range) has(n int64) bool {
	return r == nil || (r.Min == nil || n >= *r.Min) && (r.Max == nil || n <= *r.Max)
}

func (r *Range) String() string {
	switch {
	case r.Min != nil && r.Max != nil && *r.Min == *r.Max:
		return fmt.Sprintf("== %d", *r.Min)
	case r.Min != nil && r.Max != nil:
		return fmt.Sprintf("in %d..%d", *r.Min, *r.Max)
	case r.Min != nil:
		return fmt.Sprintf(">= %d", *r.Min)
	case r.Max != nil:
		return fmt.Sprintf("<= %d", *r.Max)
	default:
		return "any"
	}
}

// Condition is about the counts of [PortState]. All ranges that are set must hold at the same moment; the zero value
// holds always.
type Condition struct {
	// Port is the port whose counts are meant. Empty: the sums over all ports.
	Port string `json:"port,omitempty"`

	Arrived           *Range `json:"arrived,omitempty"`
	Held              *Range `json:"held,omitempty"`
	InFlight          *Range `json:"inFlight,omitempty"`
	Completed         *Range `json:"completed,omitempty"`
	Left              *Range `json:"left,omitempty"`
	ConnectionsOpened *Range `json:"connectionsOpened,omitempty"`
	ConnectionsOpen   *Range `json:"connectionsOpen,omitempty"`
}

func (c Condition) holds(p PortState) bool {
	return c.Arrived.has(p.Arrived) && c.Held.has(p.Held) && c.InFlight.has(p.InFlight) && c.Completed.has(p.Completed) &&
		c.Left.has(p.Left) && c.ConnectionsOpened.has(p.ConnectionsOpened) && c.ConnectionsOpen.has(p.ConnectionsOpen)
}

// String is the condition in words, as in "http: held >= 3".
func (c Condition) String() string {
	var parts []string
	for _, f := range []struct {
		name string
		r    *Range
	}{
		{"arrived", c.Arrived},
		{"held", c.Held},
		{"in flight", c.InFlight},
		{"completed", c.Completed},
		{"left", c.Left},
		{"connections opened", c.ConnectionsOpened},
		{"connections open", c.ConnectionsOpen},
	} {
		if f.r != nil {
			parts = append(parts, f.name+" "+f.r.String())
		}
	}
	port := c.Port
	if port == "" {
		port = "all ports"
	}
	return port + ": " + strings.Join(parts, ", ")
}
