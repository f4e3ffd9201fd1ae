package live

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
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/scenarios/spec"
)

// late is how late a request may be sent; one in a hundred may be later. A hiccup of the machine below that shows in the
// latencies, which count from when requests were due; above it the load was not the one that the scenario states.
const late = time.Second

// gatewayPort is where loads reach the ingress gateway.
const gatewayPort = 8080

func gatewayID(lab lab) string {
	i, _ := lab.Instance(local.GatewayName)
	return i.ID()
}

// makeLoads turns the scenario's loads into those of the load generator.
func (r *runner) makeLoads() error {
	var problems diag.List
	for i, l := range r.file.Spec.Load {
		at := fmt.Sprintf("spec.load[%d]", i)
		load, err := r.makeLoad(l)
		if err != nil {
			problems.Errorf("BAD-LOAD", r.file.Where(at), "load %s: %v", l.Name, err)
			continue
		}
		r.loads = append(r.loads, load)
	}
	return problems.Err()
}

func (r *runner) makeLoad(l spec.Load) (loadgen.Load, error) {
	rate, err := pace.ParseRate(l.Rate)
	if err != nil {
		return loadgen.Load{}, err
	}
	pacer := pace.NewConstant(rate)
	if l.Pacing == "poisson" {
		pacer = pace.NewPoisson(rate, r.opts.Seed, l.Name)
	}
	out := loadgen.Load{
		Name: l.Name, Seed: r.opts.Seed, Pacer: pacer, Duration: l.Duration.D(), Timeout: l.Timeout.D(),
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
		req.URL, err = r.tcpURL(l.Request)
		out.Requests = loadgen.Same(req)
		if v := l.Value; err == nil && v != nil {
			out.Extract.Body, err = regexp.Compile(v.Body)
		}
		return out, err
	}
	req.URL = fmt.Sprintf("http://%s:%d%s", r.lab.GatewayAddress(), gatewayPort, l.Request.Path)
	r.entries = append(r.entries, gatewayID(r.lab))
	if from := l.Request.From; from != "" {
		i, ok := r.lab.Instance(from)
		if !ok || i.ProxyPort == 0 {
			return out, fmt.Errorf("there is no workload %q with a sidecar", from)
		}
		req.URL = fmt.Sprintf("http://%s:%d%s", i.Address, i.ProxyPort, l.Request.Path)
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
		out.Extract.Header = v.Header
		if v.Body != "" {
			if out.Extract.Body, err = regexp.Compile(v.Body); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// tcpURL says where the connections of a TCP load begin.
func (r *runner) tcpURL(req spec.Request) (string, error) {
	host, port, err := net.SplitHostPort(req.TCP)
	if err != nil {
		return "", err
	}
	if host == "" {
		return "tcp://" + net.JoinHostPort(r.lab.GatewayAddress(), port), nil
	}
	i, ok := r.lab.Instance(req.From)
	if !ok {
		return "", fmt.Errorf("there is no workload %q", req.From)
	}
	for _, o := range i.Outbound {
		if strconv.FormatUint(uint64(o.Port), 10) == port && (o.Host == host || strings.HasPrefix(o.Host, host+".")) {
			return fmt.Sprintf("tcp://%s:%d", o.Listen.Address, o.Listen.Port), nil
		}
	}
	return "", fmt.Errorf("%s has no TCP service %s", req.From, req.TCP)
}
