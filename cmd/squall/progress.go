package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/squallmesh/squall/scenarios/spec"
)

// statusEvery is how often a terminal's live line is drawn.
const statusEvery = 250 * time.Millisecond

// runOverhead is about what a run takes beside its load: the start of a mesh, logs that settle.
const runOverhead = 2 * time.Second

// status keeps a live line at the bottom of a terminal: which scenarios run, since when, of about how long. Whatever else goes to the
// terminal has to go through its writers. A nil status draws nothing.
type status struct {
	out         io.Writer
	total, over int
	now         func() time.Time

	mu      sync.Mutex
	running []underWay
	stop    chan struct{}
	drawn   bool
}

type underWay struct {
	name        string
	since       time.Time
	about       time.Duration
	description *spec.File
}

// newStatus begins to draw, until close.
func newStatus(out io.Writer, total int) *status {
	s := &status{out: out, total: total, now: time.Now, stop: make(chan struct{})}
	go func() {
		tick := time.NewTicker(statusEvery)
		defer tick.Stop()
		for {
			select {
			case <-s.stop:
				return
			case <-tick.C:
				s.mu.Lock()
				s.draw()
				s.mu.Unlock()
			}
		}
	}()
	return s
}

// begin takes a run into the line.
func (s *status) begin(f *spec.File) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = append(s.running, underWay{name: f.Metadata.Name, since: s.now(), about: f.WarmupTime() + f.End() + runOverhead, description: f})
}

// end takes it out.
func (s *status) end(f *spec.File) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over++
	s.running = slices.DeleteFunc(s.running, func(u underWay) bool { return u.description == f })
}

// close takes the line away.
func (s *status) close() {
	if s == nil {
		return
	}
	close(s.stop)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.running = nil
}

// writer lets others write above the line.
func (s *status) writer(to io.Writer) io.Writer { return &above{s, to} }

type above struct {
	s  *status
	to io.Writer
}

// Write implements io.Writer.
func (a *above) Write(p []byte) (int, error) {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.s.erase()
	return a.to.Write(p) //nolint:wrapcheck // a writer like the one below
}

// erase is called under the lock.
func (s *status) erase() {
	if s.drawn {
		_, _ = io.WriteString(s.out, "\r\x1b[K")
		s.drawn = false
	}
}

// draw is called under the lock.
func (s *status) draw() {
	s.erase()
	if len(s.running) == 0 {
		return
	}
	var parts []string
	for _, u := range s.running {
		parts = append(parts, fmt.Sprintf("%s %d of ~%d s", u.name, int(s.now().Sub(u.since).Seconds()), int(u.about.Seconds())))
	}
	line := strings.Join(parts, " · ")
	if s.total > 1 {
		line = fmt.Sprintf("[%d of %d] %s", s.over, s.total, line)
	}
	const width = 100 // a line that is broken in two could not be taken back
	if r := []rune(line); len(r) > width {
		line = string(r[:width-1]) + "…"
	}
	_, _ = io.WriteString(s.out, line)
	s.drawn = true
}
