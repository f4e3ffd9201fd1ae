package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/eval"
)

// explainFlags are those of squall explain.
type explainFlags struct {
	app, name, from, get, method string
	capture                      string
	headers                      []string
	json                         bool
	bundle                       bundleChoice
}

func newExplainCommand(env *environment) *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain --from WORKLOAD --get URL [RULES...] | explain --bundle DIR --slowest",
		Short: "Say what a proxy does with a request, and which rule decides",
		Long: `Say what the proxy of a workload does with a request: its listener, route, cluster and endpoints, the rule at file:line:col that
decides, the routes that an earlier one shadows, and every timeout, retry, limit and ejection in force.

With RULES nothing is started: they are held against an app. Without, it is the configuration that the Envoy of a mesh that is up
says it has. With --bundle it is a request of a recorded run: what its response flags mean, its trace, and the likely rule.

Exit codes: 0 explained, 3 no such workload, URL, rule or trace, 4 the mesh could not be asked.`,
		Example: `  squall explain --from productpage --get http://reviews:9080/reviews/0 -H end-user=jason bookinfo/rules
  squall explain --from istio-ingressgateway --get http://shop.example.com/productpage
  squall explain --bundle out/scenarios/fault-abort --failed`,
		RunE: func(c *cobra.Command, args []string) error {
			if f.bundle.dir != "" {
				return explainBundle(env, f, args)
			}
			if f.bundle.chosen() {
				return invalid(errors.New("--trace, --slowest and --failed pick a recorded request: name its run with --bundle DIR"))
			}
			return explainRequest(c, env, f, args)
		},
	}
	c.Flags().StringVar(&f.app, "app", "bookinfo", "a built-in app or the path of an App file")
	nameFlag(c, &f.name)
	c.Flags().StringVar(&f.from, "from", "", "the workload whose proxy gets the request: reviews-v2, istio-ingressgateway")
	c.Flags().StringVar(&f.get, "get", "", "the URL that is asked for")
	c.Flags().StringVar(&f.method, "method", "GET", "the request's method")
	c.Flags().StringArrayVarP(&f.headers, "header", "H", nil, "a header of the request, name=value or name: value; may be repeated")
	c.Flags().StringVar(&f.capture, "capture", string(model.CaptureProxy), "with RULES: how traffic reaches sidecars: proxy (a lab without root), or redirect (pods)")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().StringVar(&f.bundle.dir, "bundle", "", "folder of a recorded run")
	c.Flags().StringVar(&f.bundle.trace, "trace", "", "with --bundle: the request with this trace id, or one that begins so")
	c.Flags().BoolVar(&f.bundle.slowest, "slowest", false, "with --bundle: the request that took longest")
	c.Flags().BoolVar(&f.bundle.failed, "failed", false, "with --bundle: the first request that failed, else the first with a failed call behind it")
	return c
}

// explained is a result with what makes it readable: who asked, and who stands behind addresses.
type explained struct {
	From string `json:"from"`
	// Proxy is its node id.
	Proxy string `json:"proxy"`
	// Live says that a running Envoy was asked.
	Live bool `json:"live"`
	*eval.Result
	// Permissions are what AuthorizationPolicies say where the request may arrive; not known of a live mesh.
	Permissions []permission `json:"permissions,omitempty"`
	// Workloads stand behind endpoints' addresses.
	Workloads map[string]string `json:"workloads,omitempty"`
}

func explainRequest(c *cobra.Command, env *environment, f explainFlags, args []string) error {
	req, err := f.request()
	if err != nil {
		return invalid(err)
	}
	var out *explained
	if len(args) > 0 {
		rules, err := readRules(args)
		if err != nil {
			return invalid(err)
		}
		paper, err := newPaperMesh(f.app, ".", rules, model.Capture(f.capture))
		if err != nil {
			return invalid(err)
		}
		if warnings := paper.problems.Warnings(); len(warnings) > 0 {
			_, _ = fmt.Fprintln(env.stderr, warnings.Sorted().Text())
		}
		if out, err = paper.explain(f.from, req); err != nil {
			return invalid(err)
		}
	} else if out, err = explainLive(c, env, f, req); err != nil {
		return err
	}
	if f.json {
		e := json.NewEncoder(env.stdout)
		e.SetIndent("", "  ")
		return e.Encode(out)
	}
	return printExplained(env.stdout, out)
}

// request is what the flags ask for.
func (f explainFlags) request() (eval.Request, error) {
	if f.from == "" {
		return eval.Request{}, errors.New("whose proxy? say --from WORKLOAD")
	}
	if f.capture != string(model.CaptureProxy) && f.capture != string(model.CaptureRedirect) {
		return eval.Request{}, fmt.Errorf("--capture %s: it is proxy or redirect", f.capture)
	}
	if f.get == "" {
		return eval.Request{}, errors.New("which request? say --get http://HOST:PORT/PATH")
	}
	u, err := url.Parse(f.get)
	switch {
	case err != nil:
		return eval.Request{}, fmt.Errorf("--get: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return eval.Request{}, fmt.Errorf("--get %s: it must be a whole URL, such as http://ratings:9080/ratings/0", f.get)
	}
	req := eval.Request{Method: strings.ToUpper(f.method), Scheme: u.Scheme, Authority: u.Host, Path: u.RequestURI(), Header: map[string][]string{}}
	for _, h := range f.headers {
		i := strings.IndexAny(h, "=:")
		if i <= 0 {
			return eval.Request{}, fmt.Errorf("-H %s: a header is name=value", h)
		}
		name := strings.ToLower(strings.TrimSpace(h[:i]))
		if name == "host" {
			req.Authority = strings.TrimSpace(h[i+1:])
			continue
		}
		req.Header[name] = append(req.Header[name], strings.TrimSpace(h[i+1:]))
	}
	return req, nil
}

// explainLive asks the Envoy of a mesh that is up.
func explainLive(c *cobra.Command, env *environment, f explainFlags, req eval.Request) (*explained, error) {
	s, err := loadState(env, f.name)
	if err != nil {
		return nil, invalid(fmt.Errorf("%w; or name RULES to hold against an app", err))
	}
	p, err := s.proxy(f.from)
	if err != nil {
		return nil, invalid(err)
	}
	dump, _, err := envoy.NewAdmin(p.Admin).ConfigDump(c.Context(), envoy.ConfigDumpOptions{Endpoints: true})
	if err != nil {
		return nil, broken(err)
	}
	conf, err := eval.FromDump(dump)
	if err != nil {
		return nil, broken(err)
	}
	res, err := evaluateAt(conf, p.ID, req)
	if err != nil {
		return nil, invalid(err)
	}
	out := &explained{From: p.Workload, Proxy: p.ID, Live: true, Result: res, Workloads: map[string]string{}}
	for _, other := range s.Proxies {
		out.Workloads[other.Address] = other.Workload
	}
	return out, nil
}

// evaluateAt evaluates a request. At a gateway with a single listener a URL without a port means that one.
func evaluateAt(conf *eval.Config, proxy string, req eval.Request) (*eval.Result, error) {
	named := strings.LastIndexByte(req.Authority, ':') > strings.LastIndexByte(req.Authority, ']')
	if strings.HasPrefix(proxy, "router~") && !named && len(conf.Listeners) == 1 {
		req.Listener = conf.Listeners[0].GetName()
	}
	return conf.Evaluate(req)
}

// nameOf says who stands behind the address of an endpoint.
func (e *explained) nameOf(address string) string {
	host, port := address, ""
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		host, port = address[:i], address[i+1:]
	}
	name := e.Workloads[host]
	switch {
	case name == "":
		return address
	case e.Live:
		return name + " (" + address + ")"
	}
	return name + " port " + port
}
