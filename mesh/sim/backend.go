package sim

import (
	"slices"
	"strings"
	"time"
)

// Match chooses requests at a backend, as package bookinfo/backend does. Fields that are set must all agree.
type Match struct {
	// Port is the name of a port.
	Port       string
	PathPrefix string
	// Headers and the value that each must have; host is the authority.
	Headers map[string]string
}

// End is how a request ends at a backend.
type End string

// The ends of a request.
const (
	Answers End = ""
	Resets  End = "reset"
	Closes  End = "close"
	Hangs   End = "hang"
)

// Outcome is what becomes of one request at a backend.
type Outcome struct {
	Delay  time.Duration
	End    End
	Status int
	Header map[string]string
	Body   string
	// GRPCStatus of the answer to a gRPC call; 0 is OK.
	GRPCStatus uint32
}

// Asked is a request as a backend sees it.
type Asked struct {
	Message *Message
	// Attempt is its number, from 1; Port the app's, and Protocol what the sidecar speaks there: HTTP/1.1 or HTTP/2.0.
	Attempt  int
	Port     uint32
	Protocol string
	// Outcome that the script says.
	Outcome *Outcome
}

// Rule gives the requests that match their outcomes, by attempt; the last one repeats. With Workers so many are worked on at a time, each
// for its delay, and the others wait in line even if their callers leave.
type Rule struct {
	Match
	Outcomes []Outcome
	Workers  int
}

// BackendOptions are what the exact-test backend is told at its start.
type BackendOptions struct {
	// Answer makes the answer to a request.
	Answer func(Asked) Answer
	// Ports are the names of ports, by their numbers.
	Ports map[uint32]string
}

// Backend is the exact-test backend of one workload: it holds requests, and answers by a script.
type Backend struct {
	mesh   *Mesh
	app    *app
	answer func(Asked) Answer
	ports  map[uint32]string

	holds []Match
	held  []*task
	rules []Rule
	crew  []time.Duration // when each worker is free
	known map[backendKey]AnswerID
}

type backendKey struct {
	message messageID
	attempt uint32
	outcome *Outcome
	port    uint32
}

// Backend gives the backend of a workload (namespace/name), or nil if it is none or is down.
func (m *Mesh) Backend(workload string) *Backend {
	if a := m.apps[workload]; a != nil && !a.down {
		return a.backend
	}
	return nil
}

// Hold keeps the requests open that match and come from now on.
func (b *Backend) Hold(x Match) { b.holds = append(b.holds, x) }

// Release lets the n oldest held requests go; a negative n all, and ends the holding.
func (b *Backend) Release(n int) {
	if n < 0 {
		n, b.holds = len(b.held), nil
	}
	n = min(n, len(b.held))
	for _, t := range b.held[:n] {
		t.held = false
		b.proceed(t)
	}
	b.held = slices.Delete(b.held, 0, n)
}

// Script replaces what the backend answers; of several rules the first that matches counts.
func (b *Backend) Script(rules ...Rule) { b.rules, b.known = rules, nil }

func (x *Match) matches(b *Backend, t *task) bool {
	r := b.mesh.message(t.message)
	if x.Port != "" && b.ports[t.port()] != x.Port || !strings.HasPrefix(bare(r.Path), x.PathPrefix) {
		return false
	}
	for name, want := range x.Headers { // all must hold, in any order
		switch {
		case strings.EqualFold(name, "host"):
			if r.Authority != want {
				return false
			}
		case strings.EqualFold(name, "x-envoy-attempt-count"):
			if number(t.attempt) != want {
				return false
			}
		default:
			if !slices.ContainsFunc(r.Headers, func(h header) bool { return strings.EqualFold(h.Name, name) && h.Value == want }) {
				return false
			}
		}
	}
	return true
}

func bare(path string) string {
	path, _, _ = strings.Cut(path, "?")
	return path
}

// port is the number on which the app was asked.
func (t *task) port() uint32 { return t.stream.cluster.at.port }

// arrive takes a request: it is held, or goes on.
func (b *Backend) arrive(t *task) {
	for i := range b.holds {
		if b.holds[i].matches(b, t) {
			t.held = true
			b.held = append(b.held, t)
			return
		}
	}
	b.proceed(t)
}

// plain is the outcome where no script says another.
var plain = &Outcome{}

// proceed looks up what becomes of a request and waits for its delay.
func (b *Backend) proceed(t *task) {
	t.outcome = plain
	delay := time.Duration(0)
	for i := range b.rules {
		r := &b.rules[i]
		if !r.matches(b, t) {
			continue
		}
		t.outcome = &r.Outcomes[min(max(1, int(t.attempt)), len(r.Outcomes))-1]
		delay = t.outcome.Delay
		if r.Workers > 0 {
			delay = b.take(r.Workers, delay)
		}
		break
	}
	work := time.Duration(0)
	if t.outcome == plain || delay == 0 || b.app.opts.Work != nil {
		work = b.app.overhead()
	}
	t.refs++
	b.mesh.compute(delay, work, evWorked, t.id)
}

// overhead is what a backend needs without a delay of its script.
func (a *app) overhead() time.Duration {
	d := &a.mesh.times.Work
	if a.opts.Work != nil {
		d = a.opts.Work
	}
	return d.Draw(&a.random)
}

// take has a request worked on by the first worker that is free and returns the time until it is done: the recursion of Kiefer and
// Wolfowitz (1955).
func (b *Backend) take(n int, service time.Duration) time.Duration {
	now := b.mesh.Now()
	slices.Sort(b.crew)
	if len(b.crew) > n {
		b.crew = b.crew[len(b.crew)-n:]
	}
	for len(b.crew) < n {
		b.crew = slices.Insert(b.crew, 0, 0)
	}
	b.crew[0] = max(b.crew[0], now) + service
	return b.crew[0] - now
}

// done is when a request's delay is over.
func (b *Backend) done(t *task) {
	switch t.outcome.End {
	case Resets, Closes:
		b.mesh.dropTask(t)
		return
	case Hangs:
		t.hangs = true
		return
	case Answers:
	}
	key := backendKey{t.message, t.attempt, t.outcome, t.port()}
	id, known := b.known[key]
	if !known {
		protocol := "HTTP/1.1"
		if t.stream.cluster.http2 {
			protocol = "HTTP/2.0"
		}
		id = b.mesh.answers.of(b.answer(Asked{b.mesh.message(t.message), max(1, int(t.attempt)), t.port(), protocol, t.outcome}))
		if b.known == nil {
			b.known = map[backendKey]AnswerID{}
		}
		b.known[key] = id
	}
	b.mesh.reply(t, id)
}

// left is when a caller has left a request.
func (b *Backend) left(t *task) {
	if t.held {
		t.held = false
		if i := slices.Index(b.held, t); i >= 0 {
			b.held = slices.Delete(b.held, i, i+1)
		}
	}
}
