package virtual

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/loadgen/pace"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/spec"
)

// load is a stream of requests and what came of it.
type load struct {
	spec     spec.Load
	begin    time.Duration
	pacer    pace.Pacer
	hits     uint64
	answered uint64
	ended    uint64
	keep     []string // headers of answers
	body     *regexp.Regexp
	values   map[sim.AnswerID]string
}

// pacerOf reads a load's schedule.
func pacerOf(l spec.Load, seed uint64) (pace.Pacer, error) {
	rate, err := pace.ParseRate(l.Rate)
	if err != nil {
		return nil, err
	}
	if l.Pacing == "poisson" {
		return pace.NewPoisson(rate, seed, l.Name), nil
	}
	return pace.NewConstant(rate), nil
}

// makeLoads begins the scenario's loads, logins first.
func (e *engine) makeLoads() error {
	var problems diag.List
	for i, l := range e.file.Spec.Load {
		if err := e.makeLoad(l); err != nil {
			problems.Errorf("BAD-LOAD", e.file.Where(fmt.Sprintf("spec.load[%d]", i)), "load %s: %v", l.Name, err)
		}
	}
	return problems.Err()
}

func (e *engine) makeLoad(l spec.Load) error {
	out := &load{spec: l, begin: plan.Start(e.file, l), keep: append([]string{"x-envoy-overloaded"}, e.file.AnswerHeaders()...), values: map[sim.AnswerID]string{}}
	var err error
	if out.pacer, err = pacerOf(l, e.opts.Seed); err != nil {
		return err
	}
	length := l.Duration.D()
	if l.At == 0 {
		length += e.run.Warmup
	}
	out.hits = out.pacer.Hits(length)
	if l.Value != nil && l.Value.Body != "" {
		if out.body, err = regexp.Compile(l.Value.Body); err != nil {
			return err
		}
	}
	gateway, _ := e.place.find(gatewayName)
	x := sim.Load{
		Proxy: gateway.proxy.ID, Timeout: l.Timeout.D(), Message: messageOf(l.Request, gateway.Address),
		Due: func(n uint64) (time.Duration, bool) {
			if n >= out.hits {
				return 0, false
			}
			return e.origin + out.begin + out.pacer.Due(n), true
		},
		IDs: func(n uint64) (string, string) {
			ids := loadgen.MakeIDs(e.opts.Seed, l.Name, n, true)
			return ids.Request, ids.Trace
		},
		Done: func(v sim.Visit) { e.take(out, v) },
	}
	if l.Request.GRPC != "" {
		x.HTTP2 = true
		callOf(&x.Message, l.Request.GRPC)
	}
	if x.Timeout == 0 {
		x.Timeout = loadgen.DefaultTimeout
	}
	for name, v := range l.Request.Headers { // looks for one
		x.Fresh = x.Fresh || strings.EqualFold(name, "connection") && strings.EqualFold(v, "close")
	}
	if l.Request.TCP != "" {
		_, port, err := net.SplitHostPort(l.Request.TCP)
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return err
		}
		x.TCP = uint32(n)
		x.Message.Body = strings.TrimRight(l.Request.Body, "\n")
	}
	if from := l.Request.From; from != "" {
		w, ok := e.place.find(from)
		if !ok || w.proxy.Kind != model.Sidecar {
			return fmt.Errorf("there is no workload %q with a sidecar", from)
		}
		x.Proxy = w.proxy.ID
	}
	if l.Request.As != "" {
		cookie, err := e.login(x, l)
		if err != nil {
			return fmt.Errorf("login: %w", err)
		}
		x.Message.Headers = append(x.Message.Headers, model.Header{Name: "cookie", Value: cookie})
	}
	e.loads = append(e.loads, out)
	e.mesh.AddLoad(&x)
	return nil
}

// messageOf is a load's request as it arrives at the proxy.
func messageOf(r spec.Request, gateway string) sim.Message {
	x := sim.Message{Request: match.Request{Method: r.Method, Scheme: "http", Authority: r.Host, Path: r.Path}, Body: r.Body}
	if x.Method == "" {
		x.Method = http.MethodGet
	}
	if x.Authority == "" {
		x.Authority = fmt.Sprintf("%s:%d", gateway, sim.GatewayPort)
	}
	agent := false
	for name, v := range r.Headers { // the simulator sorts
		agent = agent || strings.EqualFold(name, "user-agent")
		if !strings.EqualFold(name, "connection") { // is the connection's own
			x.Headers = append(x.Headers, model.Header{Name: strings.ToLower(name), Value: v})
		}
	}
	if !agent {
		x.Headers = append(x.Headers, model.Header{Name: "user-agent", Value: "Go-http-client/1.1"})
	}
	return x
}

// login posts a load's form before anything else and gives the cookies of the answer.
func (e *engine) login(x sim.Load, l spec.Load) (string, error) {
	recipe, ok := e.opts.App.Logins[l.Request.As]
	if !ok {
		return "", fmt.Errorf("the app has no login %q", l.Request.As)
	}
	form := url.Values{}
	for k, v := range recipe.Form {
		form.Set(k, v)
	}
	x.Message.Method, x.Message.Path, x.Message.Body = http.MethodPost, recipe.Post, form.Encode()
	x.Message.Headers = append([]model.Header{{Name: "content-type", Value: "application/x-www-form-urlencoded"}}, x.Message.Headers...)
	now := e.mesh.Now()
	x.Due = func(n uint64) (time.Duration, bool) { return now, n == 0 }
	ids := loadgen.MakeIDs(e.opts.Seed, "login/"+l.Name, 0, true)
	x.IDs = func(uint64) (string, string) { return ids.Request, ids.Trace }
	var answer *sim.Answer
	x.Done = func(v sim.Visit) { answer = e.mesh.Answer(v.Answer) }
	e.mesh.AddLoad(&x)
	if err := e.mesh.Run(e.origin-e.run.Warmup, func() bool { return answer != nil }); err != nil {
		return "", err
	}
	if answer == nil {
		return "", fmt.Errorf("POST %s was not answered within %s", recipe.Post, plan.Lead)
	}
	if answer.Status == 0 || answer.Status >= http.StatusBadRequest {
		return "", fmt.Errorf("POST %s was answered with status %d", recipe.Post, answer.Status)
	}
	var cookies []string
	for _, h := range answer.Headers {
		if strings.EqualFold(h.Name, "set-cookie") {
			pair, _, _ := strings.Cut(h.Value, ";")
			cookies = append(cookies, pair)
		}
	}
	if len(cookies) == 0 {
		return "", fmt.Errorf("POST %s was answered without a cookie", recipe.Post)
	}
	return strings.Join(cookies, "; "), nil
}

// take keeps a result.
func (e *engine) take(l *load, v sim.Visit) {
	at := func(t time.Duration) time.Time { return start.Add(t - e.origin).Truncate(time.Microsecond) }
	res := loadgen.Result{
		Load: l.spec.Name, Seq: v.Number, Scheduled: at(v.Due), Sent: at(v.Due), End: at(v.End), TraceID: v.Trace, RequestID: v.Request,
	}
	l.ended++
	switch v.Answer {
	case sim.TimedOut:
		res.Err = loadgen.ErrTimeout
	case sim.Broken, sim.NoAnswer:
		res.Err = loadgen.ErrReset
	default:
		l.answered++
		a := e.mesh.Answer(v.Answer)
		res.Status, res.Bytes = a.Status, int64(len(a.Body))
		res.Value = l.value(v.Answer, a)
		if l.spec.Request.GRPC != "" {
			endGRPC(a, &res, l.spec.Value != nil)
		}
		for _, name := range l.keep {
			if h := a.Header(name); h != "" {
				if res.Header == nil {
					res.Header = map[string]string{}
				}
				res.Header[name] = h
			}
		}
		if l.spec.Value != nil && strings.EqualFold(l.spec.Value.Header, "set-cookie") && v.SetCookie != "" {
			res.Value = v.SetCookie
		}
	}
	e.run.Results = append(e.run.Results, res)
	e.answeredMore()
}

// value is what a load keeps of an answer.
func (l *load) value(id sim.AnswerID, a *sim.Answer) string {
	v := l.spec.Value
	if v == nil {
		return ""
	}
	if v.Body == "" {
		return a.Header(v.Header)
	}
	out, known := l.values[id]
	if !known {
		switch found := l.body.FindStringSubmatch(a.Body); len(found) {
		case 0:
		case 1:
			out = found[0]
		default:
			out = found[1]
		}
		l.values[id] = out
	}
	return out
}

// summary says what was offered: in virtual time all of it, and never late.
func (l *load) summary() loadgen.Summary {
	s := loadgen.Summary{Name: l.spec.Name, Offered: l.hits, Sent: l.ended, Completed: l.answered}
	if s.Sent < s.Offered {
		s.Stopped, s.Behind = true, true
		s.Reason = fmt.Sprintf("load %s: %d of %d requests were never sent, the run was stopped before they were due", s.Name, s.Offered-s.Sent, s.Offered)
	}
	return s
}

// due counts the requests that a load has due before a time from t = 0.
func (l *load) due(before time.Duration) uint64 {
	if before <= l.begin {
		return 0
	}
	return min(l.hits, l.pacer.Hits(before-l.begin))
}
