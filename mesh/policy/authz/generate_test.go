package authz_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/authz"
)

// generator makes policies and requests that meet often enough: both draw from the same few values.
type generator struct {
	*rand.Rand
	// used counts the conditions by name: principals, notPrincipals, when source.ip ...
	used map[string]int
}

func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

// The identities of callers; the empty one has no certificate.
var callers = []string{
	"", "spiffe://cluster.local/ns/default/sa/reviews", "spiffe://cluster.local/ns/default/sa/ratings",
	"spiffe://cluster.local/ns/prod/sa/reviews", "spiffe://cluster.local/ns/prod-eu/sa/page",
}

// The addresses of callers, of clients that they tell of, and the hosts, paths and headers that they send.
var (
	sources = []string{"127.0.0.1", "127.0.7.1", "127.9.0.1"}
	clients = []string{"", "203.0.113.7", "198.51.100.20"}
	hosts   = []string{"ratings", "Ratings.Example.com", "ratings:9080", "other.example.com"}
	paths   = []string{"/", "/admin", "/admin/users", "/Admin", "/ratings/1?x=/admin", "/ratings/1", "/x/admin"}
	methods = []string{"GET", "POST", "DELETE"}
	names   = []string{"outbound_.9080_._.ratings.default.svc.cluster.local", "ratings.example.com"}
	agents  = []string{"", "curl", "curl/8.1", "browser"}
)

func (g *generator) values(name string, list ...string) model.Values {
	var v model.Values
	draw := func() []string {
		var out []string
		for range 1 + g.IntN(3) {
			out = append(out, pick(g, list...))
		}
		return out
	}
	if g.IntN(3) > 0 {
		v.In = draw()
		g.used[name]++
	}
	if g.IntN(3) == 0 || len(v.In) == 0 {
		v.NotIn = draw()
		g.used["not "+name]++
	}
	return v
}

var (
	principals  = []string{"cluster.local/ns/default/sa/reviews", "cluster.local/ns/default/*", "*/sa/reviews", "*", "cluster.local/ns/prod/sa/reviews", "elsewhere/ns/default/sa/reviews"}
	namespaces  = []string{"default", "prod", "prod*", "*-eu", "*", "nowhere"}
	accounts    = []string{"reviews", "prod/reviews", "default/ratings", "prod-eu/page"}
	domains     = []string{"cluster.local", "cluster*", "*.local", "*", "elsewhere"}
	blocks      = []string{"127.0.0.1", "127.0.0.0/16", "127.0.0.0/8", "10.0.0.0/8", "127.9.0.1/32"}
	remotes     = []string{"203.0.113.0/24", "198.51.100.20", "127.0.0.0/8", "0.0.0.0/0"}
	requesters  = []string{"*", "https://issuer.example/alice", "https://issuer.example/*", "*/bob", "issuer/*", "*b", "https*"}
	hostGlobs   = []string{"ratings", "ratings.example.com", "*.example.com", "ratings*", "*", "OTHER.*"}
	pathGlobs   = []string{"/admin", "/admin*", "*/admin", "*", "/ratings/1", "/", "/Admin"}
	methodGlobs = []string{"GET", "P*", "*ETE", "*", "PUT"}
)

func (g *generator) source() model.AuthorizationSource {
	var s model.AuthorizationSource
	for range 1 + g.IntN(2) {
		switch g.IntN(7) {
		case 0:
			s.Principals = g.values("principals", principals...)
		case 1:
			s.Namespaces = g.values("namespaces", namespaces...)
		case 2:
			s.ServiceAccounts = g.values("serviceAccounts", accounts...)
		case 3:
			s.TrustDomains = g.values("trustDomains", domains...)
		case 4:
			s.IPBlocks = g.values("ipBlocks", blocks...)
		case 5:
			s.RemoteIPBlocks = g.values("remoteIpBlocks", remotes...)
		case 6:
			s.RequestPrincipals = g.values("requestPrincipals", requesters...)
		}
	}
	return s
}

func (g *generator) operation(ports []string) model.AuthorizationOperation {
	var o model.AuthorizationOperation
	for range 1 + g.IntN(2) {
		switch g.IntN(4) {
		case 0:
			o.Hosts = g.values("hosts", hostGlobs...)
		case 1:
			o.Ports = g.values("ports", ports...)
		case 2:
			o.Methods = g.values("methods", methodGlobs...)
		case 3:
			o.Paths = g.values("paths", pathGlobs...)
		}
	}
	return o
}

func (g *generator) condition(ports []string) model.AuthorizationCondition {
	kinds := []struct {
		key    string
		values []string
	}{
		{"request.headers[user-agent]", []string{"curl", "curl*", "*8.1", "*"}},
		{"request.headers[x-none]", []string{"a", "*"}},
		{"source.ip", blocks},
		{"remote.ip", remotes},
		{"source.namespace", namespaces},
		{"source.principal", principals},
		{"source.serviceAccount", accounts},
		{"destination.ip", blocks},
		{"destination.port", ports},
		{"connection.sni", []string{"ratings.example.com", "outbound*", "*.local", "*"}},
		{"request.auth.principal", requesters},
		{"request.auth.audiences", []string{"shop", "sh*", "*", "none"}},
		{"request.auth.presenter", []string{"app", "*"}},
		{"request.auth.claims[groups]", []string{"admins", "ad*", "*", "none"}},
		{"request.auth.claims[nested][name]", []string{"alice", "*"}},
	}
	k := kinds[g.IntN(len(kinds))]
	return model.AuthorizationCondition{Key: k.key, Values: g.values("when "+k.key, k.values...)}
}

// policies makes one to three.
func (g *generator) policies(ports []string) []*model.AuthorizationPolicy {
	var out []*model.AuthorizationPolicy
	for i := range 1 + g.IntN(3) {
		p := &model.AuthorizationPolicy{
			Name: fmt.Sprintf("p%d", i), Namespace: "default", Action: pick(g, model.Allow, model.Allow, model.Deny, model.Audit), DryRun: g.IntN(8) == 0,
		}
		for range pick(g, 0, 1, 1, 2, 2, 3) {
			rule := &model.AuthorizationRule{}
			for range pick(g, 0, 1, 1, 2) {
				rule.From = append(rule.From, g.source())
			}
			for range pick(g, 0, 1, 1, 2) {
				rule.To = append(rule.To, g.operation(ports))
			}
			for range pick(g, 0, 0, 1, 1, 2) {
				rule.When = append(rule.When, g.condition(ports))
			}
			p.Rules = append(p.Rules, rule)
		}
		out = append(out, p)
	}
	return out
}

// request makes one; the claims are those of one of the tokens.
func (g *generator) request(port uint32, claims map[string]any) authz.Request {
	r := authz.Request{
		Principal: pick(g, callers...), SourceIP: netip.MustParseAddr(pick(g, sources...)),
		DestinationIP: netip.MustParseAddr("127.0.0.1"), DestinationPort: port,
		Method: pick(g, methods...), Host: pick(g, hosts...), Path: pick(g, paths...), Header: map[string][]string{}, Claims: claims,
	}
	r.RemoteIP = r.SourceIP
	if c := pick(g, clients...); c != "" {
		r.RemoteIP = netip.MustParseAddr(c)
		r.Header["X-Forwarded-For"] = []string{c}
	}
	if a := pick(g, agents...); a != "" {
		r.Header["User-Agent"] = []string{a}
	}
	if r.Principal != "" {
		r.SNI = pick(g, names...)
	}
	return r
}

// wanted are the conditions that the pairs must contain, each at least so often.
func wanted() []string {
	var out []string
	for name := range strings.FieldsSeq("principals namespaces serviceAccounts trustDomains ipBlocks remoteIpBlocks requestPrincipals hosts ports methods paths") {
		out = append(out, name, "not "+name)
	}
	for name := range strings.FieldsSeq("request.headers[user-agent] request.headers[x-none] source.ip remote.ip source.namespace source.principal source.serviceAccount " +
		"destination.ip destination.port connection.sni request.auth.principal request.auth.audiences request.auth.presenter request.auth.claims[groups] " +
		"request.auth.claims[nested][name]") {
		out = append(out, "when "+name, "not when "+name)
	}
	return out
}
