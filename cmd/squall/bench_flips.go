package main

import (
	"fmt"

	"github.com/squallmesh/squall/mesh/config"
)

// The rules between which the barrier's benchmark flips. One host each is for the changes of clusters and of endpoints.
const benchRules = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: backend}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 8080, name: http, protocol: HTTP}
      hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: backend}
spec:
  host: backend
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: by-header}
spec:
  hosts: ["*"]
  gateways: [backend, extra]
  http:
    - match: [{headers: {probe: {exact: service}}}]
      route: [{destination: {host: backend, subset: v1, port: {number: 8080}}}]
      retries: {attempts: 0}
    - match: [{headers: {probe: {exact: cluster}}}]
      route: [{destination: {host: cluster.test, port: {number: 8080}}}]
      retries: {attempts: 0}
    - match: [{headers: {probe: {exact: endpoint}}}]
      route: [{destination: {host: endpoint.test, port: {number: 8080}}}]
      retries: {attempts: 0}
    - match: [{headers: {probe: {exact: load}}}]
      route: [{destination: {host: load.test, port: {number: 8080}}}]
      retries: {attempts: 0}
    - route: [{destination: {host: backend, subset: %s, port: {number: 8080}}}]
      retries: {attempts: 0}
`

const benchService = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: backend}
spec:
  host: backend
  trafficPolicy: {tls: {mode: %s, insecureSkipVerify: true}}
  subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
`

const benchCluster = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: cluster}
spec:
  host: cluster.test
  trafficPolicy: {tls: {mode: %s, insecureSkipVerify: true}}
`

// benchHost is a host outside of Kubernetes, of one port and so of one cluster.
const benchHost = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %[1]s}
spec:
  hosts: [%[1]s.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [%[2]s]
`

const benchListener = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: extra}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: %d, name: http, protocol: HTTP}
      hosts: ["*"]
`

func benchFile(name, format string, values ...any) config.File {
	return config.File{Name: name, Data: fmt.Appendf(nil, format, values...)}
}

// endpointsAt lists endpoints as a ServiceEntry has them.
func endpointsAt(addresses ...string) string {
	out := ""
	for i, a := range addresses {
		if i > 0 {
			out += ", "
		}
		out += "{address: " + a + "}"
	}
	return out
}

// flip is one kind of change in a lab and how requests tell the old from the new.
type flip struct {
	name  string
	count int
	// file gives the rule of the n-th change.
	file func(n int) config.File
	// probe is the header by which a request asks for what changes.
	probe string
	// want says what the answers to a connection's requests must be, in any order.
	want func(n int) []string
	// port of the gateway.
	port func(n int) int
	// fresh says that only new connections see the change.
	fresh bool
	// untimed kinds have no target for their time.
	untimed bool
}

var benchBackends = []string{"backend-v1", "backend-v2"}

// baseRules are what every flip starts from; v1 and v2 are the addresses of two backends.
func baseRules(v1 string) []config.File {
	return []config.File{
		benchFile("bench", benchRules, "v1"),
		benchFile("listener", benchListener, 9000),
		benchFile("cluster", benchHost, "cluster", endpointsAt(v1)),
		benchFile("endpoint", benchHost, "endpoint", endpointsAt(v1)),
		benchFile("load", benchHost, "load", endpointsAt(v1)),
	}
}

// flipsOf lists the kinds of change that a lab makes.
func flipsOf(count int, v1, v2 string) []flip {
	main := func(int) int { return 8080 }
	one := func(n int) []string { return []string{benchBackends[n%2]} }
	tls := []string{"DISABLE", "SIMPLE"}
	// TLS to a port that speaks none fails.
	tlsSeen := func(n int) []string { return []string{[]string{"backend-v1", "status 503"}[n%2]} }
	addresses := []string{v1, v2}
	return []flip{
		{
			name: "route", count: count, port: main, want: one,
			file: func(n int) config.File { return benchFile("bench", benchRules, []string{"v1", "v2"}[n%2]) },
		},
		{
			name: "cluster", count: count, port: main, probe: "cluster", want: tlsSeen,
			file: func(n int) config.File { return benchFile("cluster", benchCluster, tls[n%2]) },
		},
		{
			name: "service", count: max(4, count/20), port: main, probe: "service", want: tlsSeen, untimed: true,
			file: func(n int) config.File { return benchFile("service", benchService, tls[n%2]) },
		},
		{
			name: "endpoint", count: count, port: main, probe: "endpoint", want: one,
			file: func(n int) config.File {
				return benchFile("endpoint", benchHost, "endpoint", endpointsAt(addresses[n%2]))
			},
		},
		{
			// One of two hosts goes, and comes back: requests in turn find both.
			name: "endpoint_added", count: count, port: main, probe: "endpoint",
			want: func(n int) []string {
				return [][]string{{"backend-v1"}, benchBackends, {"backend-v2"}, benchBackends}[n%4]
			},
			file: func(n int) config.File {
				list := [][]string{{v1}, {v1, v2}, {v2}, {v1, v2}}[n%4]
				return benchFile("endpoint", benchHost+roundRobin, "endpoint", endpointsAt(list...))
			},
		},
		{
			name: "listener", count: count, fresh: true,
			want: func(int) []string { return benchBackends[:1] },
			file: func(n int) config.File { return benchFile("listener", benchListener, 9001+n%2) },
			port: func(n int) int { return 9001 + n%2 },
		},
	}
}

const roundRobin = `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: endpoint}
spec:
  host: endpoint.test
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
`
