package translate_test

import (
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

// filters is an EnvoyFilter of a namespace with these patches, each a line of YAML.
func filters(t *testing.T, set config.Set, namespace, name, more string, patches ...string) config.Set {
	t.Helper()
	text := "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: " + name + ", namespace: " + namespace + "}\nspec:\n" + more + "  configPatches:\n"
	for _, p := range patches {
		text += "    - " + p + "\n"
	}
	docs, problems := config.Parse(config.File{Name: name + ".yaml", Data: []byte(text)})
	require.NoError(t, problems.Err())
	return set.With(docs...)
}

func httpFilterNames(t *testing.T, r *translate.Resource) []string {
	t.Helper()
	var out []string
	for _, c := range r.Message.(*listenerv3.Listener).GetFilterChains() {
		for _, f := range c.GetFilters() {
			hcm := &hcmv3.HttpConnectionManager{}
			require.NoError(t, f.GetTypedConfig().UnmarshalTo(hcm))
			for _, h := range hcm.GetHttpFilters() {
				out = append(out, h.GetName())
			}
		}
	}
	return out
}

const reviewsCluster = "outbound|9080||reviews.default.svc.cluster.local"

// What patches match and do, as Istio documents it.
func TestEnvoyFilter(t *testing.T) {
	t.Parallel()
	const hcm = "listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}"
	const buffer = `{name: mine, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer, max_request_bytes: 9}}`
	view := func(t *testing.T, more string, patches ...string) (*translate.View, model.Snapshot, *model.Proxy) {
		t.Helper()
		set, workloads := shop(t, "virtual-service-all-v1")
		snap := build(t, filters(t, set, "default", "f", more, patches...), model.Snapshot{}, workloads)
		tr := translate.New()
		tr.Update(snap)
		page := sidecar(workloads[1])
		tr.SetProxy(page)
		return tr.View(page.ID), snap, page
	}
	inbound := func(v *translate.View) *translate.Resource {
		for name, r := range v.All(translate.Listener) {
			if strings.HasPrefix(name, "inbound_") {
				return r
			}
		}
		return nil
	}
	t.Run("filters before and after another, first and last", func(t *testing.T) {
		t.Parallel()
		patch := func(op, anchor, name string) string {
			return `{applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND, listener: {filterChain: {filter: {subFilter: {name: ` + anchor + `}}}}}, patch: {operation: ` + op +
				`, value: {name: ` + name + `, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer}}}}`
		}
		v, _, _ := view(t, "", patch("INSERT_BEFORE", "envoy.filters.http.cors", "before"), patch("INSERT_AFTER", "before", "after"), patch("INSERT_FIRST", `""`, "first"),
			patch("ADD", `""`, "last"), patch("INSERT_BEFORE", "nobody", "never"),
			`{applyTo: HTTP_FILTER, match: {listener: {filterChain: {filter: {subFilter: {name: envoy.filters.http.cors}}}}}, patch: {operation: REMOVE}}`)
		names := httpFilterNames(t, inbound(v))
		assert.Equal(t, "first", names[0])
		assert.Equal(t, []string{"before", "after", "last", "envoy.filters.http.router"}, names[len(names)-4:])
		assert.NotContains(t, names, "never")
		for _, name := range httpFilterNames(t, v.Get(translate.Listener, translate.HTTPProxyTable)) {
			assert.NotContains(t, []string{"before", "after", "first", "last"}, name, "the outbound side is another context")
		}
	})
	t.Run("other resources keep what they are, and patched ones name the rule", func(t *testing.T) {
		t.Parallel()
		set, workloads := shop(t, "virtual-service-all-v1")
		plain := build(t, set, model.Snapshot{}, workloads)
		tr := translate.New()
		tr.Update(plain)
		page := sidecar(workloads[1])
		tr.SetProxy(page)
		before := map[string]*translate.Resource{}
		for _, typ := range []translate.Type{translate.Cluster, translate.Listener, translate.Route, translate.Endpoint} {
			for name, r := range tr.View(page.ID).All(typ) {
				before[typ.String()+name] = r
			}
		}
		patched := build(t, filters(t, set, "default", "f", "", `{applyTo: CLUSTER, match: {cluster: {service: reviews}}, patch: {operation: MERGE, value: {connect_timeout: 3s}}}`), plain, workloads)
		tr.Update(patched)
		changed := 0
		for _, typ := range []translate.Type{translate.Cluster, translate.Listener, translate.Route, translate.Endpoint} {
			for name, r := range tr.View(page.ID).All(typ) {
				if strings.HasPrefix(name, "outbound|") && strings.HasSuffix(name, "reviews.default.svc.cluster.local") && typ == translate.Cluster {
					changed++
					assert.EqualValues(t, 3, r.Message.(*clusterv3.Cluster).GetConnectTimeout().GetSeconds())
					assert.Contains(t, r.Sources, patched.EnvoyFilters.At("default/f").Patches[0].Pos)
					continue
				}
				assert.Same(t, before[typ.String()+name], r, name)
			}
		}
		assert.Equal(t, 4, changed, "the service and its three subsets")
		tr.Update(plain)
		assert.EqualValues(t, 10, tr.View(page.ID).Get(translate.Cluster, reviewsCluster).Message.(*clusterv3.Cluster).GetConnectTimeout().GetSeconds(), "a filter that goes leaves nothing")
	})
	t.Run("who is selected", func(t *testing.T) {
		t.Parallel()
		remove := `{applyTo: CLUSTER, match: {cluster: {name: "` + reviewsCluster + `"}}, patch: {operation: REMOVE}}`
		v, _, _ := view(t, "  workloadSelector: {labels: {app: productpage}}\n", remove)
		assert.Nil(t, v.Get(translate.Cluster, reviewsCluster))
		v, snap, page := view(t, "  workloadSelector: {labels: {app: details}}\n", remove)
		assert.NotNil(t, v.Get(translate.Cluster, reviewsCluster))
		assert.Len(t, translate.IdlePatches(snap, []*model.Proxy{page}), 1)
	})
	t.Run("routes and hosts", func(t *testing.T) {
		t.Parallel()
		v, snap, page := view(t, "",
			`{applyTo: HTTP_ROUTE, match: {context: SIDECAR_OUTBOUND, routeConfiguration: {portNumber: 9080, vhost: {name: "reviews.default.svc.cluster.local:9080"}}}, patch: {operation: INSERT_FIRST, value: {name: first, match: {prefix: /}, direct_response: {status: 418}}}}`,
			`{applyTo: HTTP_ROUTE, match: {routeConfiguration: {vhost: {domainName: "ratings:9080", route: {action: ROUTE}}}}, patch: {operation: MERGE, value: {route: {timeout: 7s}}}}`,
			`{applyTo: VIRTUAL_HOST, match: {context: SIDECAR_OUTBOUND}, patch: {operation: ADD, value: {name: added, domains: [added.example], routes: []}}}`,
			`{applyTo: VIRTUAL_HOST, match: {routeConfiguration: {portNumber: 9999}}, patch: {operation: REMOVE}}`)
		hosts := map[string]*routev3.VirtualHost{}
		for _, vh := range v.Get(translate.Route, translate.HTTPProxyTable).Message.(*routev3.RouteConfiguration).GetVirtualHosts() {
			hosts[vh.GetName()] = vh
		}
		assert.Equal(t, "first", hosts["reviews.default.svc.cluster.local:9080"].GetRoutes()[0].GetName())
		assert.NotEqual(t, "first", hosts["details.default.svc.cluster.local:9080"].GetRoutes()[0].GetName())
		ratings := hosts["ratings.default.svc.cluster.local:9080"].GetRoutes()[0].GetRoute()
		assert.EqualValues(t, 7, ratings.GetTimeout().GetSeconds())
		assert.NotNil(t, ratings.GetRetryPolicy(), "what a MERGE does not name stays")
		assert.Contains(t, hosts, "added")
		idle := translate.IdlePatches(snap, []*model.Proxy{page})
		require.Len(t, idle, 1)
		assert.EqualValues(t, 9999, idle[0].Routes.Port)
	})
	t.Run("extensions of one type are merged, of another not", func(t *testing.T) {
		t.Parallel()
		merge := `{applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND, listener: {filterChain: {filter: {subFilter: {name: mine}}}}}, patch: {operation: MERGE, value: `
		v, snap, page := view(t, "",
			`{applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND, `+hcm+`}, patch: {operation: INSERT_BEFORE, value: `+buffer+`}}`,
			merge+`{disabled: true, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer}}}}`,
			merge+`{typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}}}}`)
		assert.Contains(t, httpFilterNames(t, inbound(v)), "mine")
		assert.Len(t, translate.IdlePatches(snap, []*model.Proxy{page}), 1, "a message of another type cannot be merged")
	})
	t.Run("clusters and listeners of its own", func(t *testing.T) {
		t.Parallel()
		v, _, _ := view(t, "", `{applyTo: CLUSTER, patch: {operation: ADD, value: {name: mine, type: STATIC}}}`, `{applyTo: CLUSTER, match: {context: GATEWAY}, patch: {operation: ADD, value: {name: theirs, type: STATIC}}}`,
			`{applyTo: LISTENER, match: {context: SIDECAR_OUTBOUND}, patch: {operation: ADD, value: {name: mine}}}`, `{applyTo: LISTENER, match: {context: SIDECAR_INBOUND, listener: {portNumber: 9080}}, patch: {operation: REMOVE}}`)
		assert.NotNil(t, v.Get(translate.Cluster, "mine"))
		assert.Nil(t, v.Get(translate.Cluster, "theirs"))
		assert.NotNil(t, v.Get(translate.Listener, "mine"))
		assert.Nil(t, inbound(v))
	})
	t.Run("the order is the root namespace's, then by priority, then by name", func(t *testing.T) {
		t.Parallel()
		set, workloads := shop(t)
		timeout := func(s string) string {
			return `{applyTo: CLUSTER, match: {cluster: {name: "` + reviewsCluster + `"}}, patch: {operation: MERGE, value: {connect_timeout: ` + s + `}}}`
		}
		got := func() int64 {
			tr := translate.New()
			tr.Update(build(t, set, model.Snapshot{}, workloads))
			page := sidecar(workloads[1])
			tr.SetProxy(page)
			return tr.View(page.ID).Get(translate.Cluster, reviewsCluster).Message.(*clusterv3.Cluster).GetConnectTimeout().GetSeconds()
		}
		set = filters(t, set, "istio-system", "zz", "  priority: 100\n", timeout("1s"))
		assert.EqualValues(t, 1, got())
		set = filters(t, set, "default", "b", "", timeout("2s"))
		assert.EqualValues(t, 2, got(), "after the root namespace's, be its priority what it is")
		set = filters(t, set, "default", "a", "", timeout("3s"))
		assert.EqualValues(t, 2, got(), "b after a")
		set = filters(t, set, "default", "a", "  priority: 1\n", timeout("3s"))
		assert.EqualValues(t, 3, got())
	})
}
