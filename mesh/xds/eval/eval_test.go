package eval_test

import (
	"fmt"
	"testing"
	"time"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/eval"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

func at(line int) diag.Pos { return diag.Pos{File: "rules.yaml", Line: line, Col: 3} }

// shop is a service with two versions, and a rule that sends most of its calls to the first.
func shop(routes ...*model.HTTPRoute) model.Snapshot {
	s := withService(model.Snapshot{Mesh: model.DefaultMesh()}, "shop")
	s.Endpoints = s.Endpoints.Set(fullHost("shop"), &model.Endpoints{Host: fullHost("shop"), List: []model.Endpoint{
		{Address: "127.1.1.1", Ports: map[uint32]uint32{port: 8080}, Labels: map[string]string{"version": "v1"}},
		{Address: "127.1.2.1", Ports: map[uint32]uint32{port: 8080}, Labels: map[string]string{"version": "v2"}},
	}})
	five, fifty := uint32(5), uint32(50)
	s = s.WithDestinationRule(&model.DestinationRule{
		Name: "shop", Namespace: "default", Host: fullHost("shop"), Pos: at(1),
		Policy: &model.TrafficPolicy{
			Pool:    &model.ConnectionPool{MaxPendingRequests: 3},
			Outlier: &model.OutlierDetection{ConsecutiveGateway: &five, MaxEjectionPercent: &fifty},
		},
		Subsets: []*model.Subset{
			{Name: "v1", Labels: map[string]string{"version": "v1"}, Pos: at(2)},
			{Name: "v2", Labels: map[string]string{"version": "v2"}, Pos: at(4)},
		},
	})
	return s.WithVirtualService(&model.VirtualService{
		Name: "shop", Namespace: "default", Hosts: []string{fullHost("shop")}, Gateways: []string{model.MeshGateway}, HTTP: routes, Pos: at(10),
	})
}

func to(subset string, weight uint32) *model.Destination {
	return &model.Destination{Host: fullHost("shop"), Subset: subset, Port: port, Weight: weight}
}

func evaluate(t *testing.T, s model.Snapshot, r eval.Request) *eval.Result {
	t.Helper()
	if r.Authority == "" {
		r.Authority = "shop:9080"
	}
	got, err := configOf(t, s, caller).Evaluate(r)
	require.NoError(t, err)
	return got
}

func setting(list []eval.Setting, name string) eval.Setting {
	for _, s := range list {
		if s.Name == name {
			return s
		}
	}
	return eval.Setting{}
}

// Each decision comes with the place of the rule behind it, and the routes that an earlier one shadows are named.
func TestADecisionNamesItsRules(t *testing.T) {
	got := evaluate(t, shop(
		&model.HTTPRoute{
			Name: "jason", Match: []*model.HTTPMatch{{Headers: []model.NamedMatch{{Name: "end-user", StringMatch: model.StringMatch{Kind: model.Exact, Value: "jason"}}}, Pos: at(13)}},
			Destinations: []*model.Destination{to("v2", 0)}, Pos: at(12),
		},
		&model.HTTPRoute{
			Name: "most", Match: []*model.HTTPMatch{{URI: &model.StringMatch{Kind: model.Prefix, Value: "/s"}, Pos: at(16)}},
			Destinations: []*model.Destination{to("v1", 80), to("v2", 20)}, Timeout: 2 * time.Second, Pos: at(15),
			Retries: &model.RetryPolicy{Attempts: 3, PerTryTimeout: time.Second, RetryOn: "5xx,429"},
			Mirrors: []*model.Mirror{{Host: fullHost("shop"), Subset: "v2", Port: port, Percent: 12.5}},
			Headers: &model.HeaderOps{RequestSet: []model.Header{{Name: "x-a", Value: "b"}}, ResponseRemove: []string{"server"}},
			Fault:   &model.Fault{Delay: &model.Delay{Fixed: time.Second, Percent: 50}, Abort: &model.Abort{HTTPStatus: 503}},
			Rewrite: &model.Rewrite{URI: "/store", Authority: "store.example.com"},
		},
		&model.HTTPRoute{Name: "rest", Destinations: []*model.Destination{to("v1", 0)}, Pos: at(20)},
	), eval.Request{Path: "/shop/1?x=y"})
	require.Equal(t, "http_proxy", got.Listener.Name)
	require.Equal(t, "shop.default.svc.cluster.local:9080", got.VirtualHost)
	require.Equal(t, "shop:9080", got.Domain)
	require.Equal(t, "most", got.Taken().Name)
	require.Equal(t, at(15), got.Taken().Rule)
	require.Equal(t, at(16), got.Taken().Conditions)
	require.Equal(t, "end-user is missing, and should be jason", got.Routes[0].Unmet)
	require.Len(t, got.Shadowed(), 1)
	require.Equal(t, at(20), got.Shadowed()[0].Rule)
	require.Equal(t, "/storehop/1?x=y", got.Path)
	require.Equal(t, "store.example.com", got.Authority)
	require.Equal(t, eval.Setting{Name: "timeout", Value: "2s"}, setting(got.Settings, "timeout"))
	require.Equal(t, "5xx,retriable-status-codes 429", setting(got.Settings, "retries.retryOn").Value)
	require.Equal(t, "1s", setting(got.Settings, "retries.perTryTimeout").Value)
	require.Equal(t, []eval.Fault{{Filter: translate.FaultFilter, Delay: "1s for 50 % of the requests"}}, got.Faults)
	require.Equal(t, []eval.Mirror{{Cluster: "outbound|9080|v2|" + fullHost("shop"), Percent: 12.5}}, got.Mirrors)
	require.Equal(t, []string{"request: set x-a = b", "response: remove server"}, got.Headers)

	require.Len(t, got.Shares, 2)
	one := got.Shares[0]
	require.Equal(t, "outbound|9080|v1|"+fullHost("shop"), one.Cluster)
	require.InDelta(t, 80, one.Percent, 0)
	require.Equal(t, []eval.Endpoint{{Address: "127.1.1.1:8080", Weight: 1, Health: "HEALTHY"}}, one.Endpoints)
	require.Equal(t, []diag.Pos{at(2), at(1)}, one.Sources)
	require.Equal(t, eval.Setting{Name: "connectionPool.http.http1MaxPendingRequests", Value: "3"}, setting(one.Settings, "connectionPool.http.http1MaxPendingRequests"))
	require.True(t, setting(one.Settings, "connectionPool.tcp.maxConnections").Default)
	require.Equal(t, "50 %", setting(one.Settings, "outlierDetection.maxEjectionPercent").Value)
	// What nobody set ejects all the same: Envoy's five plain errors.
	require.Equal(t, eval.Setting{Name: "outlierDetection.consecutive5xxErrors", Value: "5 in a row eject", Default: true}, setting(one.Settings, "outlierDetection.consecutive5xxErrors"))
}

func TestWithoutARuleTheDefaultsHold(t *testing.T) {
	s := withService(model.Snapshot{Mesh: model.DefaultMesh()}, "shop")
	got := evaluate(t, s, eval.Request{})
	require.True(t, got.Taken().Rule.IsZero())
	for _, one := range append(got.Settings, got.Shares[0].Settings...) {
		require.True(t, one.Default, one)
	}
	require.Empty(t, got.Shares[0].Endpoints)
	require.Equal(t, "off", setting(got.Settings, "timeout").Value)
}

// The rewrites and redirects of rules, by how the path was matched.
func TestRewritesAndRedirects(t *testing.T) {
	match := func(kind model.MatchKind, value string) []*model.HTTPMatch {
		return []*model.HTTPMatch{{URI: &model.StringMatch{Kind: kind, Value: value}}}
	}
	for _, c := range []struct {
		match    []*model.HTTPMatch
		rewrite  *model.Rewrite
		redirect *model.Redirect
		want     string
	}{
		{match: match(model.Prefix, "/old"), rewrite: &model.Rewrite{URI: "/new"}, want: "/new/a/b?q=1"},
		{match: match(model.Exact, "/old/a/b"), rewrite: &model.Rewrite{URI: "/new"}, want: "/new?q=1"},
		{match: match(model.Regex, "/old/.*"), rewrite: &model.Rewrite{URI: "/new"}, want: "/new?q=1"},
		{rewrite: &model.Rewrite{Regex: "/([a-z])/([a-z])", Substitution: `/\2$/\1`}, want: "/old/b$/a?q=1"},
		{redirect: &model.Redirect{Path: "/new"}, want: "301 http://shop:9080/new?q=1"},
		{redirect: &model.Redirect{Path: "/new?own=1", Code: 302}, want: "302 http://shop:9080/new?own=1"},
		{match: match(model.Prefix, "/old"), redirect: &model.Redirect{PrefixPath: "/new", Authority: "else.example.com"}, want: "301 http://else.example.com/new/a/b?q=1"},
		{redirect: &model.Redirect{Scheme: "https", Port: 8443, Code: 307}, want: "307 https://shop:8443/old/a/b?q=1"},
	} {
		h := &model.HTTPRoute{Match: c.match, Rewrite: c.rewrite, Redirect: c.redirect}
		if c.redirect == nil {
			h.Destinations = []*model.Destination{to("v1", 0)}
		}
		got := evaluate(t, shop(h), eval.Request{Path: "/old/a/b?q=1"})
		if c.redirect == nil {
			require.Equal(t, c.want, got.Path)
			continue
		}
		require.Equal(t, c.want, fmt.Sprintf("%d %s", got.Answer.Status, got.Answer.Location))
	}
}

// A gateway ignores the port of a host; the narrowest of its hosts takes a request.
func TestAGatewaysHosts(t *testing.T) {
	s := model.Snapshot{Mesh: model.DefaultMesh()}
	s.Gateways = s.Gateways.Set("default/gate", &model.Gateway{
		Name: "gate", Namespace: "default", Selector: map[string]string{"istio": "ingressgateway"},
		Servers: []*model.Server{{Port: 8080, Protocol: model.HTTP, Hosts: []model.GatewayHost{{Namespace: "*", Host: "*"}}}},
	})
	for i, host := range []string{"*", "*.example.com", "*.shop.example.com", "www.example.com"} {
		s = s.WithVirtualService(&model.VirtualService{
			Name: fmt.Sprintf("v%d", i), Namespace: "default", Hosts: []string{host}, Gateways: []string{"default/gate"},
			HTTP: []*model.HTTPRoute{{DirectResponse: &model.DirectResponse{Status: 200, Body: host}}},
		})
	}
	tr := translate.New()
	tr.Update(s)
	tr.SetProxy(&model.Proxy{ID: "router", Kind: model.Router, Workload: &model.Workload{
		Name: "gw", Namespace: "istio-system", Address: "127.0.0.1", Labels: map[string]string{"istio": "ingressgateway"},
	}})
	c, err := eval.FromView(tr.View("router"))
	require.NoError(t, err)
	for authority, want := range map[string]string{
		"www.example.com:8080": "www.example.com", "WWW.Example.com": "www.example.com", "a.example.com": "*.example.com",
		"a.b.shop.example.com": "*.shop.example.com", "example.com": "*", "other.org:8080": "*",
	} {
		got, err := c.Evaluate(eval.Request{Authority: authority, Port: 8080})
		require.NoError(t, err)
		require.Equal(t, want, got.Answer.Body, authority)
	}
	_, err = c.Evaluate(eval.Request{Authority: "www.example.com"})
	require.EqualError(t, err, "no listener takes connections to port 80; there are 0.0.0.0_8080")
}

// Where the kernel captures traffic, the listener of the port takes what the capturing one hands over, a service of plain TCP
// has one at its own address, and the rest passes through as bytes.
func TestCapturedTraffic(t *testing.T) {
	s := shop(&model.HTTPRoute{Destinations: []*model.Destination{to("v1", 0)}})
	redirect := *s.Mesh
	redirect.Capture = model.CaptureRedirect
	s.Mesh = &redirect
	s.Services = s.Services.Set(fullHost("db"), &model.Service{
		Host: fullHost("db"), Name: "db", Namespace: "default", Resolution: model.Static, Address: "198.18.0.9",
		Ports: []model.Port{{Name: "tcp", Number: port, Protocol: model.TCP}},
	})
	c := configOf(t, s, caller)
	for _, address := range []string{"", "198.18.0.8"} {
		got, err := c.Evaluate(eval.Request{Authority: "shop:9080", Address: address})
		require.NoError(t, err)
		require.Equal(t, "0.0.0.0_9080", got.Listener.Name)
		require.Equal(t, "virtualOutbound", got.Listener.Via)
		require.Equal(t, "9080", got.Table)
		require.Equal(t, "outbound|9080|v1|"+fullHost("shop"), got.Shares[0].Cluster)
	}
	got, err := c.Evaluate(eval.Request{Authority: "db:9080", Address: "198.18.0.9"})
	require.NoError(t, err)
	require.True(t, got.TCP)
	require.Equal(t, "outbound|9080||"+fullHost("db"), got.Shares[0].Cluster)

	got, err = c.Evaluate(eval.Request{Authority: "elsewhere:9999", Address: "192.0.2.1"})
	require.NoError(t, err)
	require.True(t, got.TCP)
	require.Equal(t, translate.PassthroughCluster, got.Shares[0].Cluster)
}

// A chain that names the port of the destination goes before one that does not; what cannot be decided is an error.
func TestFilterChains(t *testing.T) {
	c := configOf(t, shop(&model.HTTPRoute{Destinations: []*model.Destination{to("v1", 0)}}), caller)
	l := c.Listeners[0]
	good := l.GetFilterChains()[0]
	l = &listenerv3.Listener{Name: "l", FilterChains: []*listenerv3.FilterChain{
		{FilterChainMatch: &listenerv3.FilterChainMatch{TransportProtocol: "tls"}},
		{FilterChainMatch: &listenerv3.FilterChainMatch{ApplicationProtocols: []string{"http/1.1"}}},
		{FilterChainMatch: &listenerv3.FilterChainMatch{DestinationPort: wrapperspb.UInt32(9080)}, Filters: good.GetFilters()},
	}}
	c.Listeners = []*listenerv3.Listener{l}
	got, err := c.Evaluate(eval.Request{Authority: "shop:9080", Listener: "l"})
	require.NoError(t, err)
	require.NotNil(t, got.Taken())

	l.FilterChains[0].FilterChainMatch = &listenerv3.FilterChainMatch{SourcePorts: []uint32{1}}
	_, err = c.Evaluate(eval.Request{Authority: "shop:9080", Listener: "l"})
	require.ErrorContains(t, err, "asks for the connection's source")
	_, err = c.Evaluate(eval.Request{Authority: "shop:9080", Listener: "m"})
	require.EqualError(t, err, `there is no listener "m"; there are l`)
}

// A rule of which nothing holds for a caller leaves its calls to the service, as with Istio; one that matches no request refuses it.
func TestARuleForOthersLeavesTheService(t *testing.T) {
	others := &model.HTTPRoute{
		Match:          []*model.HTTPMatch{{SourceLabels: map[string]string{"app": "other"}}},
		DirectResponse: &model.DirectResponse{Status: 418},
	}
	got := evaluate(t, shop(others), eval.Request{})
	require.Equal(t, "outbound|9080||"+fullHost("shop"), got.Shares[0].Cluster)
	require.True(t, got.Taken().Rule.IsZero())

	posts := &model.HTTPRoute{
		Match:          []*model.HTTPMatch{{Method: &model.StringMatch{Kind: model.Exact, Value: "POST"}}},
		DirectResponse: &model.DirectResponse{Status: 418},
	}
	got = evaluate(t, shop(others, posts), eval.Request{})
	require.EqualValues(t, 404, got.Answer.Status)
	require.Nil(t, got.Taken())
}

// Faults in force are those whose headers the request has and whose percentage, by the rule or by a running lease, is above 0.
func TestFaultsInForce(t *testing.T) {
	s := shop(&model.HTTPRoute{Destinations: []*model.Destination{to("v1", 0)}, Fault: &model.Fault{Abort: &model.Abort{HTTPStatus: 500}}})
	s.Faults = s.Faults.Set(fullHost("shop"), &model.LeasedFaults{List: []*model.LeasedFault{
		{ID: "a", Slot: 0, Host: fullHost("shop"), Abort: &model.Abort{HTTPStatus: 503, Percent: 25}, Armed: true},
		{ID: "b", Slot: 1, Host: fullHost("shop"), Delay: &model.Delay{Fixed: time.Second, Percent: 100}},
		{
			ID: "c", Slot: 2, Host: fullHost("shop"), Delay: &model.Delay{Fixed: time.Second, Percent: 100}, Armed: true,
			Headers: []model.NamedMatch{{Name: "end-user", StringMatch: model.StringMatch{Kind: model.Exact, Value: "jason"}}},
		},
	}})
	anyone := eval.Fault{Filter: translate.LeaseFilter(0), Abort: "status 503 for 25 % of the requests"}
	require.Equal(t, []eval.Fault{anyone}, evaluate(t, s, eval.Request{}).Faults)
	jason := eval.Request{Header: map[string][]string{"End-User": {"jason"}}}
	require.Equal(t, []eval.Fault{anyone, {Filter: translate.LeaseFilter(2), Delay: "1s for 100 % of the requests"}}, evaluate(t, s, jason).Faults)
}
