package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/unixhttp"
	"github.com/squallmesh/squall/mesh/xds/serve"
)

// Workload is a running instance and the kind of proxy that it has.
type Workload struct {
	Kind model.ProxyKind
	model.Workload
}

// Reference names a document.
type Reference struct{ Kind, Namespace, Name string }

// ApplyRequest changes what the mesh is told.
type ApplyRequest struct {
	// Files with documents to add, or to replace by kind, namespace and name.
	Files []config.File
	// Remove takes documents away.
	Remove []Reference
	// Replace forgets all earlier documents first.
	Replace bool
	// Workloads that run, all of them; nil leaves them as they are.
	Workloads []Workload
	// Timeout of the barrier; 0 takes 10 s.
	Timeout time.Duration
	// AckOnly does not wait until acknowledged listeners are active. It is for measurements alone.
	AckOnly bool
	// Drain waits this long, after the change is effective, until the listeners that it replaced serve no open connection
	// any more; 0 does not wait. Proxies that are not done by then make it a *serve.LateError with the stage drained, and
	// the change stands.
	Drain time.Duration
}

// ApplyResponse says what came of it.
type ApplyResponse struct {
	Report serve.Report
	// Diagnostics holds warnings, and errors where the change was refused.
	Diagnostics diag.List
	// Error is empty when the change is effective. Kind says what went wrong: invalid, rejected, late.
	Error, Kind string
}

// The kinds of refusal.
const (
	KindInvalid  = "invalid"
	KindRejected = "rejected"
	KindLate     = "late"
	KindFailed   = "failed"
)

// LeaseRequest declares, arms or disarms a fault; a nil Fault removes it.
type LeaseRequest struct {
	Fault   *model.LeasedFault
	Timeout time.Duration
}

func asRejected(err error) (*serve.RejectedError, bool) {
	var r *serve.RejectedError
	return r, errors.As(err, &r)
}

func kindOf(err error) string {
	var late *serve.LateError
	switch _, rejected := asRejected(err); {
	case err == nil:
		return ""
	case rejected:
		return KindRejected
	case errors.As(err, &late):
		return KindLate
	case diag.From(err) != nil:
		return KindInvalid
	}
	return KindFailed
}

// DefaultTimeout is how long a barrier waits.
const DefaultTimeout = 10 * time.Second

func (m *Mesh) serveAPI(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/apply", handle(func(waiting context.Context, req ApplyRequest) (any, error) {
		ctx, cancel := withTimeout(waiting, req.Timeout)
		defer cancel()
		resp, err := m.apply(ctx, req)
		if err == nil && req.Drain > 0 {
			err = m.awaitDrained(waiting, req.Drain, &resp.Report)
		}
		if err != nil {
			resp.Error, resp.Kind = err.Error(), kindOf(err)
		}
		return resp, nil
	}))
	mux.HandleFunc("PUT /v1/leases/{slot}", func(w http.ResponseWriter, r *http.Request) {
		slot, err := strconv.Atoi(r.PathValue("slot"))
		if err != nil {
			http.Error(w, "the slot must be a number", http.StatusBadRequest)
			return
		}
		handle(func(ctx context.Context, req LeaseRequest) (any, error) {
			ctx, cancel := withTimeout(ctx, req.Timeout)
			defer cancel()
			report, err := m.setLease(ctx, slot, req.Fault)
			resp := ApplyResponse{Report: report}
			if err != nil {
				resp.Error, resp.Kind = err.Error(), kindOf(err)
			}
			return resp, nil
		})(w, r)
	})
	mux.HandleFunc("POST /v1/leases/renew", handle(func(_ context.Context, slots []int) (any, error) {
		if missing := m.renew(slots); len(missing) > 0 {
			return nil, fmt.Errorf("no armed fault holds the slots %v: their leases ran out", missing)
		}
		return struct{}{}, nil
	}))
	mux.HandleFunc("GET /v1/leases", handle(func(context.Context, struct{}) (any, error) { return m.armed(), nil }))
	mux.HandleFunc("POST /v1/live", handle(func(ctx context.Context, ids []string) (any, error) {
		return struct{}{}, m.server.WaitLive(ctx, ids...)
	}))
	mux.HandleFunc("GET /v1/status", handle(func(context.Context, struct{}) (any, error) { return m.server.Status(), nil }))
	mux.HandleFunc("GET /v1/services", handle(func(context.Context, struct{}) (any, error) {
		addresses := map[string]string{}
		if services := m.services.Load(); services != nil {
			for host, s := range services.All() {
				addresses[host] = s.Address
			}
		}
		return addresses, nil
	}))
	mux.HandleFunc("GET /v1/roots", handle(func(context.Context, struct{}) (any, error) {
		if m.opts.Identity == nil {
			return "", nil
		}
		return m.opts.Identity.Authority.Roots(), nil
	}))
	mux.HandleFunc("GET /v1/documents", handle(func(context.Context, struct{}) (any, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		refs := []Reference{}
		for _, d := range m.docs.Documents() {
			refs = append(refs, Reference{d.Kind, d.Namespace, d.Name})
		}
		return refs, nil
	}))
	if err := unixhttp.Serve(ctx, m.opts.API, mux); err != nil {
		return fmt.Errorf("control plane's API: %w", err)
	}
	return nil
}

func (m *Mesh) awaitDrained(ctx context.Context, d time.Duration, report *serve.Report) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return m.server.AwaitDrained(ctx, report)
}

func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		d = DefaultTimeout
	}
	return context.WithTimeout(ctx, d)
}

// handle turns a function into a handler of JSON requests and answers.
func handle[Req any](f func(context.Context, Req) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Req
		if r.Method != http.MethodGet {
			if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
				http.Error(w, "bad request: "+err.Error(), http.StatusBadRequest)
				return
			}
		}
		resp, err := f(r.Context(), req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(resp)
	}
}
