package config

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/squallmesh/squall/mesh/model"
)

// healthCheckDocument is a HealthCheckPolicy as people write it. Istio's API has nothing of the kind; what stands where is a DestinationRule's, the
// fields of a check are Envoy's.
type healthCheckDocument struct {
	Spec struct {
		Host              string            `json:"host"`
		HealthCheck       *healthCheck      `json:"healthCheck"`
		PortLevelSettings []portHealthCheck `json:"portLevelSettings"`
		Subsets           []struct {
			Name              string            `json:"name"`
			HealthCheck       *healthCheck      `json:"healthCheck"`
			PortLevelSettings []portHealthCheck `json:"portLevelSettings"`
		} `json:"subsets"`
	} `json:"spec"`
}

type portHealthCheck struct {
	Port struct {
		Number uint32 `json:"number"`
	} `json:"port"`
	HealthCheck *healthCheck `json:"healthCheck"`
}

type healthCheck struct {
	Interval           string  `json:"interval"`
	Timeout            string  `json:"timeout"`
	UnhealthyThreshold *uint32 `json:"unhealthyThreshold"`
	HealthyThreshold   *uint32 `json:"healthyThreshold"`
	HTTP               *struct {
		Path             string               `json:"path"`
		Host             string               `json:"host"`
		Method           string               `json:"method"`
		ExpectedStatuses []intstr.IntOrString `json:"expectedStatuses"`
	} `json:"http"`
	GRPC *struct {
		Service   string `json:"service"`
		Authority string `json:"authority"`
	} `json:"grpc"`
	TCP *struct {
		Send    string `json:"send"`
		Receive string `json:"receive"`
	} `json:"tcp"`
}

// Defaults of a check; they are those of Kubernetes' probes but for the times, which suit a lab.
const (
	checkInterval  = time.Second
	checkTimeout   = time.Second
	checkUnhealthy = 3
	checkHealthy   = 1
)

// checkMethods are those that Envoy takes: CONNECT has no answer to judge.
var checkMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodPatch,
}

func (b *build) healthCheckPolicy(doc *Document) *model.HealthCheckPolicy {
	in := &doc.object.(*healthCheckDocument).Spec
	r := b.reporter(doc)
	out := &model.HealthCheckPolicy{Name: doc.Name, Namespace: doc.Namespace, Host: b.host(in.Host, doc.Namespace), Pos: doc.Pos}
	switch {
	case in.Host == "":
		r.missing("spec.host", "a HealthCheckPolicy needs a host")
	case !validHost(in.Host):
		r.errorf("BAD-HOST", "spec.host", "%q is no host", shorten(in.Host))
	case out.Host[0] != '*' && b.resolver.service(out.Host) == nil:
		r.warnf("UNKNOWN-HOST", "spec.host", "no service stands for the host %q", in.Host)
		r.hint("%s", b.suggest(in.Host, doc.Namespace))
	}
	svc := b.resolver.services.At(out.Host)
	if svc != nil && svc.Resolution == model.None {
		r.errorf("NO-ENDPOINTS", "spec.host", "the service %s (%s) has resolution NONE: there are no endpoints to check", svc.Host, svc.Pos)
	}
	if in.HealthCheck == nil && len(in.PortLevelSettings) == 0 && len(in.Subsets) == 0 {
		r.missing("spec.healthCheck", "a HealthCheckPolicy needs a healthCheck")
		r.hint("healthCheck: {interval: 1s, http: {path: /healthz}}")
	}
	out.Check = r.healthCheck(in.HealthCheck, "spec.healthCheck", svc, 0)
	out.Ports = r.portHealthChecks(in.PortLevelSettings, "spec.portLevelSettings", svc)
	rule := b.snap.DestinationRule(out.Host, doc.Namespace)
	names := map[string]bool{}
	for i, s := range in.Subsets {
		path := at("spec.subsets", i)
		switch {
		case s.Name == "":
			r.missing(path+".name", "which subset?")
		case names[s.Name]:
			r.errorf("DUPLICATE-NAME", path+".name", "the subset %q is named twice", shorten(s.Name))
		case svc != nil && (rule == nil || rule.Subset(s.Name) == nil):
			r.warnf("UNKNOWN-SUBSET", path+".name", "no DestinationRule of %s has the subset %q: nobody is checked by this", in.Host, shorten(s.Name))
		}
		names[s.Name] = true
		if s.HealthCheck == nil && len(s.PortLevelSettings) == 0 {
			r.missing(path+".healthCheck", "a subset that is named here needs a healthCheck")
		}
		out.Subsets = append(out.Subsets, model.SubsetHealthCheck{
			Name: s.Name, Check: r.healthCheck(s.HealthCheck, path+".healthCheck", svc, 0), Ports: r.portHealthChecks(s.PortLevelSettings, path+".portLevelSettings", svc),
		})
	}
	return out
}

func (r reporter) portHealthChecks(in []portHealthCheck, path string, svc *model.Service) []model.PortHealthCheck {
	var out []model.PortHealthCheck
	seen := map[uint32]bool{}
	for i, p := range in {
		at := at(path, i)
		n := p.Port.Number
		switch {
		case n == 0:
			r.missing(at+".port.number", "portLevelSettings need a port number")
			continue
		case seen[n]:
			r.errorf("DUPLICATE-NAME", at+".port.number", "the port %d has settings twice", n)
		}
		r.port(n, at+".port.number")
		seen[n] = true
		if svc != nil && !slices.ContainsFunc(svc.Ports, func(p model.Port) bool { return p.Number == n }) {
			r.warnf("UNKNOWN-PORT", at+".port.number", "the service %s has no port %d: nobody is checked by this", svc.Host, n)
		}
		if p.HealthCheck == nil {
			r.missing(at+".healthCheck", "a port that is named here needs a healthCheck")
			continue
		}
		out = append(out, model.PortHealthCheck{Port: n, Check: r.healthCheck(p.HealthCheck, at+".healthCheck", svc, n)})
	}
	return out
}

// healthCheck reads one check, which is of a port, or of all (0).
func (r reporter) healthCheck(in *healthCheck, path string, svc *model.Service, port uint32) *model.HealthCheck {
	if in == nil {
		return nil
	}
	out := &model.HealthCheck{
		Interval: r.span(in.Interval, path+".interval", checkInterval), Timeout: r.span(in.Timeout, path+".timeout", checkTimeout),
		Unhealthy: r.threshold(in.UnhealthyThreshold, path+".unhealthyThreshold", checkUnhealthy),
		Healthy:   r.threshold(in.HealthyThreshold, path+".healthyThreshold", checkHealthy),
		Pos:       r.pos(path),
	}
	kinds := map[string]bool{"http": in.HTTP != nil, "grpc": in.GRPC != nil, "tcp": in.TCP != nil}
	maps.DeleteFunc(kinds, func(_ string, set bool) bool { return !set })
	switch names := slices.Sorted(maps.Keys(kinds)); len(names) {
	case 0:
		r.missing(path, "how are endpoints asked? A healthCheck has one of http, grpc and tcp")
	case 1:
	default:
		r.errorf("EXCLUSIVE-FIELDS", path+"."+names[1], "%s exclude one another", strings.Join(names, " and "))
	}
	if h := in.HTTP; h != nil {
		out.HTTP = &model.HTTPHealthCheck{Path: h.Path, Host: h.Host, Method: h.Method}
		r.checkHTTP(out.HTTP, path+".http")
		for i, text := range h.ExpectedStatuses {
			out.HTTP.Expected = append(out.HTTP.Expected, r.statuses(text.String(), at(path+".http.expectedStatuses", i)))
		}
	}
	if g := in.GRPC; g != nil {
		out.GRPC = &model.GRPCHealthCheck{Service: g.Service, Authority: g.Authority}
		r.checkGRPC(path+".grpc", svc, port)
	}
	if t := in.TCP; t != nil {
		out.TCP = &model.TCPHealthCheck{Send: t.Send, Receive: t.Receive}
	}
	return out
}

func (r reporter) checkHTTP(h *model.HTTPHealthCheck, path string) {
	switch {
	case h.Path == "":
		r.missing(path+".path", "which path is asked for?")
	case h.Path[0] != '/' || strings.ContainsAny(h.Path, " \t\r\n#"):
		r.errorf("BAD-VALUE", path+".path", "%q is no path: one begins with /", shorten(h.Path))
	}
	if h.Host != "" && strings.ContainsAny(h.Host, " \t\r\n/") {
		r.errorf("BAD-HOST", path+".host", "%q is no host", shorten(h.Host))
	}
	if h.Method != "" && !slices.Contains(checkMethods, h.Method) {
		r.errorf("BAD-ENUM", path+".method", "there is no method %q", shorten(h.Method))
		r.hint("%s", DidYouMean(h.Method, checkMethods))
	}
}

// checkGRPC refuses checks that can never pass: a port that speaks no HTTP/2 has no gRPC.
func (r reporter) checkGRPC(path string, svc *model.Service, port uint32) {
	if svc == nil {
		return
	}
	for _, p := range svc.Ports {
		if (port == 0 || p.Number == port) && !p.Protocol.IsHTTP2() && p.Protocol != model.UDP {
			r.errorf("NEVER-PASSES", path, "port %d of %s is %s, and gRPC needs HTTP/2: this check can never pass", p.Number, svc.Host, p.Protocol)
			r.hint("check that port by http or tcp (portLevelSettings), or name its protocol: appProtocol: grpc")
		}
	}
}

// statuses reads 200 or 200-299.
func (r reporter) statuses(text, path string) model.StatusRange {
	from, to, spans := strings.Cut(text, "-")
	if !spans {
		to = from
	}
	a, err := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
	b, err2 := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
	if err != nil || err2 != nil || a < 100 || b > 599 || a > b {
		r.errorf("BAD-VALUE", path, "%q is no status, nor a range of them", shorten(text))
		r.hint("200, or 200-299")
		return model.StatusRange{}
	}
	return model.StatusRange{From: uint32(a), To: uint32(b)}
}

func (r reporter) threshold(n *uint32, path string, standard uint32) uint32 {
	if n == nil {
		return standard
	}
	if *n == 0 {
		r.errorf("OUT-OF-RANGE", path, "%s is at least 1", lastName(path))
	}
	return *n
}

// span reads a time of at least a millisecond.
func (r reporter) span(text, path string, standard time.Duration) time.Duration {
	if text == "" {
		return standard
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond {
		r.errorf("BAD-DURATION", path, "%s must be a time of at least 1ms, not %q", lastName(path), shorten(text))
		r.hint("500ms, or 10s")
	}
	return d
}

func (b *build) healthCheckPolicies() {
	want := map[string]*model.HealthCheckPolicy{}
	hosts := map[[2]string]*model.HealthCheckPolicy{}
	for _, doc := range b.set.ofKind(kindHealthCheckPolicy) {
		b.of(doc, func() {
			h := b.healthCheckPolicy(doc)
			want[h.Key()] = h
			at := [2]string{h.Namespace, h.Host}
			if other := hosts[at]; other != nil && h.Host != "" {
				r := b.reporter(doc)
				r.errorf("DUPLICATE-HOST", "spec.host", "the HealthCheckPolicy %s (%s) checks the same host", other.Name, other.Pos)
				r.hint("write one HealthCheckPolicy, with portLevelSettings and subsets")
			}
			hosts[at] = h
		})
	}
	b.snap = settleRules(b.snap, b.snap.HealthCheckPolicies, want, model.Snapshot.WithHealthCheckPolicy, model.Snapshot.WithoutHealthCheckPolicy)
}
