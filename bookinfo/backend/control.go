package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"
)

// listenControl makes the control socket, in place of one that a killed backend left behind.
func listenControl(ctx context.Context, path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != fs.ModeSocket {
			return nil, fmt.Errorf("control: %s exists and is no socket", path)
		}
		d := net.Dialer{Timeout: time.Second}
		if c, err := d.DialContext(ctx, "unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("control: another backend serves %s", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control: %w", err)
		}
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("control: %w", err)
	}
	return ln, nil
}

// What the control API takes and gives beside the exported types.
type (
	releaseRequest struct {
		N int `json:"n"`
	}
	releaseAnswer struct {
		Released int `json:"released"`
	}
	scriptRequest struct {
		Rules []Rule `json:"rules"`
	}
	controlError struct {
		Error string `json:"error"`
	}
	nothing struct{}
)

// controlAPI is what a [Client] talks to: JSON in, JSON out, one path per method.
func (s *Server) controlAPI() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /hold", method(func(_ context.Context, h HoldSpec) (nothing, error) {
		return nothing{}, s.ledger.hold(h)
	}))
	mux.Handle("POST /release", method(func(_ context.Context, r releaseRequest) (releaseAnswer, error) {
		return releaseAnswer{s.ledger.release(r.N)}, nil
	}))
	mux.Handle("POST /script", method(func(_ context.Context, r scriptRequest) (nothing, error) {
		return nothing{}, s.ledger.script(r.Rules)
	}))
	mux.Handle("POST /wait", method(func(ctx context.Context, c Condition) (State, error) {
		return s.ledger.wait(ctx, s.stopping, c)
	}))
	mux.Handle("POST /reset", method(func(context.Context, nothing) (nothing, error) {
		s.ledger.reset()
		return nothing{}, nil
	}))
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, s.ledger.state())
	})
	return mux
}

// method makes a handler of a function; its errors are the caller's.
func method[In, Out any](do func(context.Context, In) (Out, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in In
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			reply(w, http.StatusBadRequest, controlError{err.Error()})
			return
		}
		out, err := do(r.Context(), in)
		switch {
		case errors.Is(err, context.Canceled): // the caller left
		case err != nil:
			reply(w, http.StatusBadRequest, controlError{err.Error()})
		default:
			reply(w, http.StatusOK, out)
		}
	})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a caller that left has no use for the error
}
