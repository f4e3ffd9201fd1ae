// Package gate lets an HTTP server wait for its handlers, which net/http does not do for those it cuts off.
package gate

import (
	"net/http"
	"sync"
)

// Gate lets requests in until it is closed, and knows when the last has left. Its zero value is open.
type Gate struct {
	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

func (g *Gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.inside.Add(1)
	}
	return !g.closed
}

// Close lets nobody in any more and waits until nobody is inside.
func (g *Gate) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}

// Guard puts the gate before a handler. A request that comes too late is cut off.
func (g *Gate) Guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.enter() {
			panic(http.ErrAbortHandler)
		}
		defer g.inside.Done()
		h.ServeHTTP(w, r)
	})
}
