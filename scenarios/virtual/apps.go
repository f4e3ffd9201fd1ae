package virtual

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/bookinfo/backend"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/dist"
	"github.com/squallmesh/squall/mesh/sim/queue"
)

// roleOf is the built-in app that a workload runs, by its command; empty for another program.
func roleOf(app *config.App, owner string) string {
	c := app.Run[owner].Command
	if len(c) >= 3 && strings.Contains(c[0], "{{.Squall}}") && c[1] == "bookinfo" {
		return c[2]
	}
	return ""
}

// startApp says what runs behind a workload's sidecar.
func (e *engine) startApp(w *workload) error {
	if w.proxy.Kind != model.Sidecar {
		return nil
	}
	env := func(name string) string { return w.env[name] }
	var measured *dist.Distribution
	if d, known := e.opts.Work[w.Owner]; known {
		measured = &d
	}
	switch role := roleOf(e.opts.App, w.Owner); role {
	case "backend":
		e.mesh.SetApp(w.Key(), sim.App{Work: measured, Backend: &sim.BackendOptions{Answer: backendAnswer(w), Ports: backendPorts()}})
	case "tcp-echo":
		prefix := w.env["TCP_ECHO_PREFIX"]
		if prefix == "" {
			prefix = "hello"
		}
		e.mesh.SetApp(w.Key(), sim.App{Echo: &prefix})
	default:
		p := &program{mesh: e.mesh}
		h, err := bookinfo.Handler(role, bookinfo.Options{Env: env, Call: p.call})
		if err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
		p.handler = h
		app := sim.App{Program: p}
		n, work, err := bookinfo.Workers(env)
		if err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
		if n > 0 {
			each, err := dist.Constant(work)
			if err != nil {
				return fmt.Errorf("%s: %w", w.Name, err)
			}
			app.Servers, app.Room, app.Work = n, queue.Unbounded, &each
		}
		if measured != nil {
			app.Work = measured
		}
		e.mesh.SetApp(w.Key(), app)
	}
	return nil
}

// program runs the code of a service itself. It is run anew for each step, with the answers that its calls have had so far, up to the call
// that has none yet: that is the step. The simulator asks once for each request and answers, and remembers.
type program struct {
	mesh    *sim.Mesh
	handler http.Handler

	answers []sim.AnswerID
	made    int
	next    *sim.Call
}

// errLater leaves the service's code at the call whose answer is not known yet.
var errLater = errors.New("the answer comes later")

// Step implements sim.Program.
func (p *program) Step(x *sim.Message, answers []sim.AnswerID) (step sim.Step) {
	p.answers, p.made, p.next = answers, 0, nil
	defer func() {
		if r := recover(); r != nil {
			if r != errLater { //nolint:errorlint // the very value
				panic(r)
			}
			step = sim.Step{Call: p.next}
		}
	}()
	w := &written{header: http.Header{}}
	p.handler.ServeHTTP(w, request(x))
	return sim.Step{Answer: w.answer()}
}

// call answers the service's call with what is known, or leaves.
func (p *program) call(target string, header http.Header, timeout time.Duration) (int, []byte, error) {
	p.made++
	if p.made > len(p.answers) {
		u, err := url.Parse(target)
		if err != nil {
			return 0, nil, err
		}
		p.next = &sim.Call{Timeout: timeout, Message: sim.Message{Request: match.Request{
			Method: http.MethodGet, Scheme: "http", Authority: u.Host, Path: u.RequestURI(), Headers: headers(header),
		}}}
		panic(errLater)
	}
	switch id := p.answers[p.made-1]; id {
	case sim.TimedOut:
		return 0, nil, context.DeadlineExceeded
	case sim.Broken, sim.NoAnswer:
		return 0, nil, io.ErrUnexpectedEOF
	default:
		a := p.mesh.Answer(id)
		return a.Status, []byte(a.Body), nil
	}
}

// request is a message as a server sees it.
func request(x *sim.Message) *http.Request {
	u, err := url.ParseRequestURI(x.Path)
	if err != nil {
		u = &url.URL{Path: "/"} // Refused has found it
	}
	r := &http.Request{
		Method: x.Method, URL: u, Host: x.Authority, RequestURI: x.Path, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: canonical(x.Headers), Body: io.NopCloser(strings.NewReader(x.Body)), ContentLength: int64(len(x.Body)),
	}
	return r.WithContext(context.Background())
}

func canonical(list []model.Header) http.Header {
	out := http.Header{}
	for _, h := range list {
		out.Add(h.Name, h.Value)
	}
	return out
}

// headers in the simulator's form: lower case, by name.
func headers(in http.Header) (out []model.Header) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		for _, v := range in[name] {
			out = append(out, model.Header{Name: strings.ToLower(name), Value: v})
		}
	}
	return out
}

// written is an answer that is being written.
type written struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *written) Header() http.Header { return w.header }

func (w *written) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *written) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

func (w *written) answer() *sim.Answer {
	w.WriteHeader(http.StatusOK)
	return &sim.Answer{Status: w.status, Headers: headers(w.header), Body: w.body.String()}
}

// backendAnswer is what the backend of a workload answers.
func backendAnswer(w *workload) func(sim.Asked) sim.Answer {
	version := w.env["SERVICE_VERSION"]
	ports := backendPorts()
	return func(q sim.Asked) sim.Answer {
		x, o := q.Message, q.Outcome
		h := http.Header{}
		h.Set("X-Backend", w.Owner)
		h.Set("X-Backend-Pod", w.Name)
		h.Set("X-Backend-Version", version)
		h.Set("X-Backend-Attempt", strconv.Itoa(q.Attempt))
		for name, v := range o.Header {
			h.Set(name, v)
		}
		if ports[q.Port] == backend.GRPC {
			return grpcAnswer(x, o, h)
		}
		a := sim.Answer{Status: o.Status, Body: o.Body}
		if a.Status == 0 {
			a.Status = http.StatusOK
		}
		if a.Body == "" {
			seen, err := json.Marshal(backend.Seen{
				Backend: w.Owner, Version: version, Port: ports[q.Port], Protocol: q.Protocol, Method: x.Method, Host: x.Authority, Path: x.Path,
				Attempt: q.Attempt, Header: canonical(x.Headers), BodySize: len(x.Body),
			})
			if err != nil {
				a.Status = http.StatusInternalServerError
			}
			a.Body = string(seen) + "\n"
			if h.Get("Content-Type") == "" {
				h.Set("Content-Type", "application/json")
			}
		}
		if h.Get("Content-Type") == "" {
			h.Set("Content-Type", "text/plain; charset=utf-8")
		}
		if a.Status == http.StatusNoContent || a.Status == http.StatusNotModified {
			a.Body = ""
		}
		a.Headers = headers(h)
		return a
	}
}
