package backend

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// Seen is the JSON body of a plain HTTP answer: the request as it reached the backend.
type Seen struct {
	Backend  string      `json:"backend"`
	Version  string      `json:"version"`
	Port     string      `json:"port"`
	Protocol string      `json:"protocol"`
	Method   string      `json:"method"`
	Host     string      `json:"host"`
	Path     string      `json:"path"` // with the query
	Attempt  int         `json:"attempt"`
	Header   http.Header `json:"header"`
	// TLS is what a caller of the port https showed of itself.
	TLS *SeenTLS `json:"tls,omitempty"`
	// BodySize is the size of the request's body in bytes.
	BodySize int `json:"bodySize"`
}

// serveHTTP takes a request of the http, http2 or grpc port through hold and script.
func (s *Server) serveHTTP(port string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.exempt(port, w, r) {
			return
		}
		t := s.ledger.arrive(request{port: port, path: r.URL.Path, host: r.Host, header: r.Header})
		defer s.ledger.left(t) // counts only what has not ended otherwise
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			if r.Context().Err() == nil {
				s.ledger.complete(t, strconv.Itoa(http.StatusRequestEntityTooLarge))
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			}
			return
		}
		if !s.ledger.await(r.Context(), s.stopping, t) {
			panic(http.ErrAbortHandler)
		}
		o := s.ledger.outcome(t)
		if !s.ledger.pause(r.Context(), s.stopping, o.Delay) {
			panic(http.ErrAbortHandler)
		}
		s.end(r, t, o.End)
		s.identify(w.Header(), t)
		for name, v := range o.Header {
			w.Header().Set(name, v)
		}
		if port == GRPC {
			r.Body = io.NopCloser(bytes.NewReader(body))
			s.answerGRPC(w, r, t, o)
			return
		}
		s.answerHTTP(w, r, t, o, len(body))
	})
}

// exempt serves what is neither counted nor held.
func (s *Server) exempt(port string, w http.ResponseWriter, r *http.Request) bool {
	if port == GRPC {
		if isHealth(r.URL.Path) {
			// Watches last until their caller leaves, or the backend stops.
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(s.ctx, cancel)() //nolint:contextcheck // the end of the server, not of the request
			s.grpc.ServeHTTP(w, r.WithContext(ctx))
			return true
		}
		return false
	}
	if r.URL.Path == "/healthz" {
		_, _ = io.WriteString(w, "ok\n")
		return true
	}
	return false
}

// end ends a request that is not to be answered; it does not return then.
func (s *Server) end(r *http.Request, t *ticket, e End) {
	switch e {
	case Answer:
		return
	case Hang:
		if !s.ledger.pause(r.Context(), s.stopping, -1) {
			panic(http.ErrAbortHandler) // counted as left
		}
		s.ledger.complete(t, string(Close))
	case Reset:
		s.ledger.complete(t, string(Reset))
		connOf(r.Context()).reset()
	case Close:
		s.ledger.complete(t, string(Close))
	}
	panic(http.ErrAbortHandler)
}

func (s *Server) identify(h http.Header, t *ticket) {
	h.Set("X-Backend", s.opts.Workload)
	h.Set("X-Backend-Pod", s.opts.Pod)
	h.Set("X-Backend-Version", s.opts.Version)
	h.Set("X-Backend-Attempt", strconv.Itoa(t.attempt))
	if id := t.id(); id != "" {
		h.Set("X-Request-Id", id)
	}
}

func (s *Server) answerHTTP(w http.ResponseWriter, r *http.Request, t *ticket, o Outcome, size int) {
	status := o.Status
	if status == 0 {
		status = http.StatusOK
	}
	body, own := o.body()
	if !own {
		b, err := json.Marshal(Seen{
			Backend: s.opts.Workload, Version: s.opts.Version, Port: t.port, Protocol: r.Proto, Method: r.Method,
			Host: r.Host, Path: r.URL.RequestURI(), Attempt: t.attempt, Header: r.Header, BodySize: size, TLS: seenTLS(r.TLS),
		})
		if err != nil {
			status = http.StatusInternalServerError
		}
		body = string(b) + "\n"
		setDefault(w.Header(), "Content-Type", "application/json")
	}
	setDefault(w.Header(), "Content-Type", "text/plain; charset=utf-8")
	bodiless := status == http.StatusNoContent || status == http.StatusNotModified
	if !bodiless {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	s.ledger.complete(t, strconv.Itoa(status))
	w.WriteHeader(status)
	if !bodiless {
		_, _ = io.WriteString(w, body) // a caller that left has no use for the error
	}
}

func setDefault(h http.Header, name, v string) {
	if h.Get(name) == "" {
		h.Set(name, v)
	}
}
