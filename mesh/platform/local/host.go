package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
	"github.com/squallmesh/squall/mesh/unixhttp"
)

// HostSocket is where a lab that stays up takes runs that attach to it, in the lab's folder.
const HostSocket = "lab.sock"

// sessionTime is how long a session lasts that nobody renews: all must be undone within mesh.LeaseTime.
const sessionTime = mesh.LeaseTime * 2 / 3

// Host lets one run at a time use a lab that stays up. What the run breaks and applies holds as long as its session, which the run
// renews: when it ends, or when the run has died and mesh.LeaseTime has passed, the host mends everything and sets the rules back.
type Host struct {
	lab       *Lab
	collector *collect.Collector
	// restore undoes what the lab does not know of; it may be nil.
	restore func(context.Context) error

	mu      sync.Mutex
	session *session
	count   int
}

type session struct {
	ID      string
	pid     int
	renewed time.Time
	// ending says that what the run did is being undone.
	ending bool
	rules  []config.File
}

// NewHost makes the host of a lab.
func NewHost(l *Lab, c *collect.Collector, restore func(context.Context) error) *Host {
	return &Host{lab: l, collector: c, restore: restore}
}

// inUse begins the refusal of a second session.
const inUse = "another run uses this lab"

// description is what a run needs to know of a lab.
type description struct {
	Form    platform.Form
	Gateway string
	// Dials is the socket that makes connections; empty where anybody can.
	Dials     string
	API       string
	Exact     bool
	Instances []*platform.Instance
}

// reachRequest asks where a workload's app connects to when it calls a service.
type reachRequest struct {
	From, Host string
	Port       uint32
	HTTP       bool
}

// reported is what has been reported since a run asked last.
type reported struct {
	Hops  []telemetry.Hop
	Spans []telemetry.Span
	// HopsSeen and SpansSeen are where to go on; Requests and Connections what each proxy has logged in all.
	HopsSeen, SpansSeen   int
	Requests, Connections map[string]int
}

// Serve answers runs until the context ends.
func (h *Host) Serve(ctx context.Context, listener net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/session", func(w http.ResponseWriter, r *http.Request) {
		var pid int
		if json.NewDecoder(r.Body).Decode(&pid) != nil {
			http.Error(w, "a process id is wanted", http.StatusBadRequest)
			return
		}
		s, err := h.begin(pid)
		answer(w, s, err)
	})
	mux.HandleFunc("PUT /v1/session/{id}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, struct{}{}, h.renew(r.PathValue("id")))
	})
	mux.HandleFunc("DELETE /v1/session/{id}", func(w http.ResponseWriter, r *http.Request) {
		answer(w, struct{}{}, h.end(context.WithoutCancel(r.Context()), r.PathValue("id")))
	})
	mux.HandleFunc("GET /v1/lab", func(w http.ResponseWriter, _ *http.Request) { answer(w, h.describe(), nil) })
	mux.HandleFunc("GET /v1/reported", func(w http.ResponseWriter, r *http.Request) {
		hops, _ := strconv.Atoi(r.URL.Query().Get("hops"))
		spans, _ := strconv.Atoi(r.URL.Query().Get("spans"))
		answer(w, h.reported(hops, spans), nil)
	})
	mux.HandleFunc("POST /v1/reach", func(w http.ResponseWriter, r *http.Request) {
		var q reachRequest
		if json.NewDecoder(r.Body).Decode(&q) != nil {
			http.Error(w, "a service is wanted", http.StatusBadRequest)
			return
		}
		i, ok := h.lab.Instance(q.From)
		if !ok {
			answer(w, nil, fmt.Errorf("there is no workload %q", q.From))
			return
		}
		address, err := h.lab.Reach(r.Context(), i, q.Host, q.Port, q.HTTP)
		answer(w, address, err)
	})
	mux.HandleFunc("POST /v1/session/{id}/faults/{fault}", func(w http.ResponseWriter, r *http.Request) {
		var b platform.Breakage
		if err := errors.Join(h.renew(r.PathValue("id")), json.NewDecoder(r.Body).Decode(&b)); err != nil {
			answer(w, nil, err)
			return
		}
		seen, err := h.lab.Break(context.WithoutCancel(r.Context()), r.PathValue("fault"), b)
		answer(w, seen, err)
	})
	mux.HandleFunc("DELETE /v1/session/{id}/faults/{fault}", func(w http.ResponseWriter, r *http.Request) {
		seen, err := h.lab.Mend(context.WithoutCancel(r.Context()), r.PathValue("fault"))
		answer(w, seen, err)
	})
	var expiring sync.WaitGroup
	expiring.Go(func() { h.expire(ctx) })
	defer expiring.Wait()
	g, ctx := errgroup.WithContext(ctx)
	if h.lab.net.form() == platform.Pods {
		g.Go(func() error { return h.serveDials(ctx) })
	}
	g.Go(func() error {
		if err := unixhttp.Serve(ctx, listener, mux); err != nil {
			return fmt.Errorf("the lab's socket: %w", err)
		}
		return nil
	})
	return g.Wait()
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (h *Host) describe() description {
	d := description{Form: h.lab.net.form(), Gateway: h.lab.GatewayAddress(), API: h.lab.apiSocket(), Exact: h.lab.opts.Exact}
	if d.Form == platform.Pods {
		d.Dials = filepath.Join(h.lab.opts.Dir, dialSocket)
	}
	d.Instances = h.lab.Instances()
	return d
}

func (h *Host) reported(hops, spans int) reported {
	out := reported{Requests: h.collector.Ledger.Counts(), Connections: h.collector.Ledger.Connections()}
	if hops < 0 { // only where things stand
		out.HopsSeen = h.collector.Ledger.Len()
		_, out.SpansSeen = h.collector.SpansFrom(1 << 60)
		return out
	}
	out.Hops = h.collector.Ledger.From(hops)
	out.HopsSeen = hops + len(out.Hops)
	out.Spans, out.SpansSeen = h.collector.SpansFrom(spans)
	return out
}

func (h *Host) begin(pid int) (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.session; s != nil {
		return nil, fmt.Errorf("%s (process %d)", inUse, s.pid)
	}
	h.count++
	h.lab.mu.Lock()
	rules := slices.Clone(h.lab.rules)
	h.lab.mu.Unlock()
	h.session = &session{ID: strconv.Itoa(h.count), pid: pid, renewed: time.Now(), rules: rules}
	return h.session, nil
}

func (h *Host) renew(id string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.session; s == nil || s.ID != id || s.ending {
		return fmt.Errorf("the session has ended: it was not renewed for %s", sessionTime)
	}
	h.session.renewed = time.Now()
	return nil
}

// expire ends a session that nobody renews.
func (h *Host) expire(ctx context.Context) {
	tick := time.NewTicker(mesh.LeaseTime / 20)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		h.mu.Lock()
		id := ""
		if s := h.session; s != nil && !s.ending && time.Since(s.renewed) > sessionTime {
			id = s.ID
		}
		h.mu.Unlock()
		if id != "" {
			if err := h.end(ctx, id); err != nil {
				h.lab.opts.Log.Error("a session could not be undone", "error", err)
			}
		}
	}
}

// end undoes what a run did. One that is over already needs nothing.
func (h *Host) end(ctx context.Context, id string) error {
	h.mu.Lock()
	s := h.session
	if s == nil || s.ID != id || s.ending {
		h.mu.Unlock()
		return nil
	}
	s.ending = true
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.session = nil
		h.mu.Unlock()
	}()
	err := h.lab.undo(ctx)
	h.lab.mu.Lock()
	h.lab.rules = s.rules
	h.lab.mu.Unlock()
	err = errors.Join(err, h.lab.applyAll(ctx))
	if h.restore != nil {
		err = errors.Join(err, h.restore(ctx))
	}
	return err
}
