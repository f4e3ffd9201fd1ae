package live

import (
	"cmp"
	"context"
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
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/scenarios/spec"
)

// late is how late a request may be sent; one in a hundred may be later. A hiccup of the machine below that shows in the
// latencies, which count from when requests were due; above it the load was not the one that the scenario states.
const late = time.Second

// gatewayPort is where loads reach the ingress gateway.
const gatewayPort = 8080

// gatewayTLSPort is where loads that speak TLS reach it.
const gatewayTLSPort = 8443

func gatewayID(lab lab) string {
	i, _ := lab.Instance(platform.GatewayName)
	return i.ID()
}

// makeLoads turns the scenario's loads into those of the load generator.
func (r *runner) makeLoads(ctx context.Context) error {
	var problems diag.List
	for i, l := range r.file.Spec.Load {
		at := fmt.Sprintf("spec.load[%d]", i)
		load, err := r.makeLoad(ctx, l)
		if err != nil {
			problems.Errorf("BAD-LOAD", r.file.Where(at), "load %s: %v", l.Name, err)
			continue
		}
		r.loads = append(r.loads, load)
	}
	return problems.Err()
}

func (r *runner) makeLoad(ctx context.Context, l spec.Load) (loadgen.Load, error) {
	rate, err := pace.ParseRate(l.Rate)
	if err != nil {
		return loadgen.Load{}, err
	}
	pacer := pace.NewConstant(rate)
	if l.Pacing == "poisson" {
		pacer = pace.NewPoisson(rate, r.opts.Seed, l.Name)
	}
	out := loadgen.Load{
		Name: l.Name, Seed: r.opts.Seed, Pacer: pacer, Duration: l.Duration.D(), Timeout: l.Timeout.D(), Undecided: l.Sampling == spec.SamplingMesh,
		Headers: append([]string{"x-envoy-overloaded"}, r.file.AnswerHeaders()...),
		// Latency counts from when a request was due, so a little lateness is in it; much of it means another rate than stated.
		Tolerance: loadgen.Tolerance{Late: late},
	}
	if l.At == 0 {
		out.Duration += r.run.Warmup
	}
	header := http.Header{}
	for k, v := range l.Request.Headers {
		header.Set(k, v)
	}
	req := loadgen.Request{Method: l.Request.Method, Header: header, Host: l.Request.Host}
	if l.Request.Body != "" {
		req.Body = []byte(l.Request.Body)
	}
	if l.Request.TCP != "" {
		r.tcpLoads[l.Name] = true
		req.URL, out.Dial, err = r.tcpURL(ctx, l.Request)
		out.Requests = loadgen.Same(req)
		if v := l.Value; err == nil && v != nil {
			out.Extract.Body, err = regexp.Compile(v.Body)
		}
		return out, err
	}
	path := l.Request.Path
	if l.Request.GRPC != "" {
		path, out.GRPC = l.Request.GRPC, true
	}
	req.URL = fmt.Sprintf("http://%s:%d%s", r.lab.GatewayAddress(), gatewayPort, path)
	if t := l.Request.TLS; t != nil {
		req.URL = fmt.Sprintf("https://%s:%d%s", r.lab.GatewayAddress(), cmp.Or(t.Port, gatewayTLSPort), path)
		out.NoKeepAlive, r.tcpLoads[l.Name], r.tlsLoads[l.Name] = t.Fresh, t.Passthrough, true
		if out.TLS, err = r.clientTLS(t, l.Request.Host); err != nil {
			return out, err
		}
	}
	out.Dial = r.lab.Dial(nil)
	r.entries = append(r.entries, gatewayID(r.lab))
	if from := l.Request.From; from != "" {
		i, ok := r.lab.Instance(from)
		if !ok || i.Kind != model.Sidecar {
			return out, fmt.Errorf("there is no workload %q with a sidecar", from)
		}
		host, port, err := hostPort(l.Request.Host, 80)
		if err != nil {
			return out, err
		}
		address, err := r.lab.Reach(ctx, i, host, port, true)
		if err != nil {
			return out, err
		}
		req.URL, out.Dial = fmt.Sprintf("http://%s%s", address, path), r.lab.Dial(i)
		r.entries = append(r.entries, i.ID())
	}
	out.Requests = loadgen.Same(req)
	if user := l.Request.As; user != "" {
		recipe, ok := r.opts.App.Logins[user]
		if !ok {
			return out, fmt.Errorf("the app has no login %q", user)
		}
		form := url.Values{}
		for k, v := range recipe.Form {
			form.Set(k, v)
		}
		out.Login = &loadgen.Login{Path: recipe.Post, Form: form}
	}
	if v := l.Value; v != nil {
		out.Extract.Header, out.Extract.Certificate = v.Header, loadgen.Certificate(v.Certificate)
		if v.Body != "" {
			if out.Extract.Body, err = regexp.Compile(v.Body); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// tcpURL says where the connections of a TCP load begin, and how they are made.
func (r *runner) tcpURL(ctx context.Context, req spec.Request) (string, platform.Dial, error) {
	host, port, err := hostPort(req.TCP, 0)
	if err != nil {
		return "", nil, err
	}
	if host == "" {
		return fmt.Sprintf("tcp://%s:%d", r.lab.GatewayAddress(), port), r.lab.Dial(nil), nil
	}
	i, ok := r.lab.Instance(req.From)
	if !ok {
		return "", nil, fmt.Errorf("there is no workload %q", req.From)
	}
	address, err := r.lab.Reach(ctx, i, host, port, false)
	return "tcp://" + address, r.lab.Dial(i), err
}

// hostPort reads host:port, or a host alone if there is a usual port; 0 is none.
func hostPort(text string, usual uint32) (string, uint32, error) {
	if usual != 0 && !strings.Contains(text, ":") {
		return text, usual, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return host, uint32(n), err
}
