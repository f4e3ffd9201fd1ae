package topology_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/sim/topology"
)

const head = "apiVersion: squall.dev/v1alpha1\nkind: Topology\nmetadata: {name: x}\nspec:\n"

func parse(text string) (*topology.File, string) {
	f, problems := topology.Parse(config.File{Name: "t.yaml", Data: []byte(text)})
	return f, problems.Text()
}

func TestAGraphIsReadInAnyOrder(t *testing.T) {
	f, problems := parse(head + `  times: {network: 1ms, hop: {exponential: {mean: 2ms}}}
  workloads: {a-v1: {work: {gamma: {mean: 3ms, cv: 0.5}}}}
  services:
    - {name: leaf, work: {constant: 1ms}}
    - {name: front, replicas: 2, work: {constant: 2ms}, calls: [leaf, middle, leaf]}
    - {name: middle, work: {constant: 1ms}, calls: [leaf]}
`)
	require.Empty(t, problems)
	require.Equal(t, time.Millisecond, f.Times.Network)
	require.InDelta(t, 2e6, f.Times.Hop.Mean(), 1)
	require.InDelta(t, 3e6, f.Work["a-v1"].Mean(), 1)
	require.Equal(t, "front", f.Graph.Services[0].Name, "callers come first")
	require.Equal(t, 5.0, f.Graph.Hops(0))
}

func TestAnIsotopeFileIsReadAsAGraph(t *testing.T) {
	f, problems := parse(`defaults: {requestSize: 1 KB, responseSize: 1 KB, numReplicas: 3}
services:
- name: back
  script: [{sleep: 4ms}]
- name: front
  isEntrypoint: true
  errorRate: 0%
  script:
  - call: {service: back, size: 10KB}
  - - call: back
  - sleep: 2ms
`)
	require.Empty(t, problems)
	require.Len(t, f.Graph.Services, 2)
	front, back := f.Graph.Services[0], f.Graph.Services[1]
	require.Equal(t, []int{1, 1}, front.Calls)
	require.InDelta(t, 2e6, front.Work.Mean(), 0)
	require.InDelta(t, 4e6, back.Work.Mean(), 0)
	require.Equal(t, 3, back.Replicas)
}

// What cannot be simulated is said before anything is, where it is written and with what to do.
func TestBadTopologies(t *testing.T) {
	for text, want := range map[string]string{
		head + "  services:\n    - {name: a, work: {constant: 1ms}, calls: [b]}\n    - {name: b, work: {constant: 1ms}, calls: [a]}\n": "t.yaml:7:48: a cycle without end: a calls b calls a [ENDLESS-CALLS]",
		head + "  services: [{name: a, work: {constant: 1ms}, calls: [a]}]\n":                                                          "a cycle without end: a calls a",
		head + "  services: [{name: a, work: {pareto: {minimum: 1ms, shape: 1}}}]\n":                                                   "t.yaml:5:24: a Pareto time with a shape of at most 1 has no mean",
		head + "  workloads: {a: {work: {pareto: {minimum: 1ms, shape: 0.5}}}}\n":                                                      "has no mean",
		head + "  services: [{name: a, work: {constant: 1ms}, calls: [c]}]\n":                                                          `a calls "c", and there is no such service`,
		head + "  services: [{name: a, work: {constant: 1ms}}, {name: a, work: {constant: 1ms}}]\n":                                    "a name of its own",
		head + "  services: [{name: a}]\n":                                                                                             "not 0 of them",
		head + "  services: [{name: a, work: {constant: -1ms}}]\n":                                                                     "a time such as",
		head + "  {}\n":               "the file says nothing",
		head + "  service: []\n":      "service",
		"kind: Topologie\nspec: {}\n": "this is a Topologie",
		"services:\n- name: a\n  script: [[{call: b}, {call: b}]]\n- name: b\n":                      "2 commands of a at the same time are not simulated",
		"services:\n- name: a\n  type: grpc\n":                                                       "speaks grpc, which is not simulated",
		"services:\n- name: a\n  errorRate: 0.5%\n":                                                  "the errorRate of the service a is not simulated",
		"services:\n- name: a\n  script: [{call: b}]\n- name: b\n  script: [{call: {service: a}}]\n": "a cycle without end: a calls b calls a",
		"services:\n- name: a\n  script: [{wait: 1s}]\n":                                             "wait",
	} {
		_, problems := parse(text)
		require.Contains(t, problems, want, text)
	}
}
