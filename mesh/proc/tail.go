package proc

import (
	"bytes"
	"sync"
)

// maxTailLine is where a kept line is cut, in bytes.
const maxTailLine = 4 << 10

// tail keeps the last lines of an output.
type tail struct {
	mu      sync.Mutex
	max     int
	full    []string // at most max, oldest first
	partial []byte   // the line not yet ended
}

func newTail(n int) *tail { return &tail{max: n} }

func (t *tail) add(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		room := max(maxTailLine-len(t.partial), 0)
		t.partial = append(t.partial, line[:min(room, len(line))]...)
		if ended {
			t.push(string(t.partial))
			t.partial = t.partial[:0]
		}
		b = rest
	}
}

func (t *tail) push(line string) {
	if len(t.full) == t.max {
		copy(t.full, t.full[1:])
		t.full = t.full[:t.max-1]
	}
	t.full = append(t.full, line)
}

func (t *tail) lines(n int) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := append([]string(nil), t.full...)
	if len(t.partial) > 0 {
		all = append(all, string(t.partial))
	}
	return all[max(len(all)-max(n, 0), 0):]
}
