package mutate_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/scenarios/mutate"
)

const rules = `# Two documents, block and flow.
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews, "more.example"] # two, one quoted
  http:
    - match: [{headers: {end-user: {exact: 'jas''on'}}}]
      route:
        - destination: {host: reviews, subset: v2}
          weight: 90
        - {destination: {host: reviews, subset: v1}, weight: 10}
      timeout: 300ms
      retries: {attempts: 2, retryOn: "5xx,reset"}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {outlierDetection: {consecutive5xxErrors: 5, splitExternalLocalOriginErrors: true}}
`

// after parses what a mutant leaves.
func after(t *testing.T, data string, m mutate.Mutant) []any {
	t.Helper()
	var out []any
	d := yaml.NewDecoder(bytes.NewReader(m.Apply([]byte(data))))
	for {
		var v any
		if err := d.Decode(&v); err != nil {
			require.ErrorContains(t, err, "EOF", "%s leaves:\n%s", m.Name, m.Apply([]byte(data)))
			return out
		}
		out = append(out, v)
	}
}

func TestRules(t *testing.T) {
	list, err := mutate.Rules([]byte(rules))
	require.NoError(t, err)
	found := map[string]string{}
	original := after(t, rules, mutate.Mutant{})
	for _, m := range list {
		require.NotContains(t, found, m.Name)
		found[m.Name] = string(m.Apply([]byte(rules)))
		left := after(t, rules, m)
		require.Len(t, left, 2, m.Name)
		require.NotEqual(t, original, left, "%s changes nothing", m.Name)
		require.Equal(t, strings.Count(rules, "\n"), strings.Count(found[m.Name], "\n"), "lines stay where they were")
	}
	for name, want := range map[string]string{
		"VirtualService/reviews hosts[0] removed":                                                        "  hosts: [         \"more.example\"]",
		"VirtualService/reviews hosts[1] removed":                                                        "  hosts: [reviews,               ]",
		"VirtualService/reviews http[0].match removed":                                                   "  http:\n    -                ",
		"VirtualService/reviews http[0].match[0].headers.end-user.exact is another":                      `exact: "jas'onx"`,
		"VirtualService/reviews http[0].route[0].destination.subset is v1":                               "        - destination: {host: reviews, subset: v1}",
		"VirtualService/reviews http[0].route[0].weight is 19":                                           "weight: 19\n",
		"VirtualService/reviews http[0].route[1].weight removed":                                         "subset: v1},           }",
		"VirtualService/reviews http[0].timeout doubled":                                                 "timeout: 600ms",
		"VirtualService/reviews http[0].timeout halved":                                                  "timeout: 150ms",
		"VirtualService/reviews http[0].timeout removed":                                                 "                    \n",
		"VirtualService/reviews http[0].retries.attempts is 3":                                           "attempts: 3,",
		"VirtualService/reviews http[0].retries.attempts is 1":                                           "attempts: 1,",
		"VirtualService/reviews http[0].retries.retryOn is retriable-4xx":                                "retryOn: retriable-4xx}",
		"DestinationRule/reviews trafficPolicy.outlierDetection.consecutive5xxErrors is 4":               "consecutive5xxErrors: 4,",
		"DestinationRule/reviews trafficPolicy.outlierDetection.splitExternalLocalOriginErrors is false": "Errors: false}}",
		"DestinationRule/reviews trafficPolicy.outlierDetection.splitExternalLocalOriginErrors removed":  "consecutive5xxErrors: 5, ",
		"VirtualService/reviews http[0].route[0] removed":                                                "      route:\n          ",
		"VirtualService/reviews http[0].retries removed":                                                 "timeout: 300ms\n           ",
		"DestinationRule/reviews trafficPolicy removed":                                                  "  host: reviews\n     ",
		"VirtualService/reviews http[0].route[1].destination.subset is v2":                               "{destination: {host: reviews, subset: v2}, weight: 10}",
		"VirtualService/reviews http[0].route[1].weight is 48":                                           "weight: 48}",
		"DestinationRule/reviews trafficPolicy.outlierDetection.consecutive5xxErrors is 6":               "consecutive5xxErrors: 6,",
		"DestinationRule/reviews trafficPolicy.outlierDetection.consecutive5xxErrors removed":            "{                         splitExternal",
	} {
		require.Contains(t, found[name], want, name)
	}
}

const scenario = `apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: s}
spec:
  config:
    - rules.yaml
    - {apiVersion: v1, kind: DestinationRule, metadata: {name: inline}, spec: {host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: 2}}}}}
  load: [{name: l, rate: 10/s, duration: 1s}]
  timeline:
    - {at: 1s, for: 1s, name: slow, fault: {delay: {to: a, fixed: 200ms, percent: 100}}}
    - {at: 3s, apply: [other.yaml]}
    - at: 4s
      name: more
      scale: {workload: w, replicas: 2}
      unless: [slow]
  checks: [{load: l, success: "100%"}]
`

func TestScenario(t *testing.T) {
	list, err := mutate.Scenario([]byte(scenario))
	require.NoError(t, err)
	var names []string
	for _, m := range list {
		after(t, scenario, m)
		names = append(names, m.Name)
		for _, kept := range []string{"load: [{name: l, rate: 10/s, duration: 1s}]", `checks: [{load: l, success: "100%"}]`} {
			require.Contains(t, string(m.Apply([]byte(scenario))), kept)
		}
	}
	require.Equal(t, []string{
		"DestinationRule/inline host removed",
		"DestinationRule/inline trafficPolicy removed",
		"DestinationRule/inline trafficPolicy.connectionPool.tcp.maxConnections is 3",
		"DestinationRule/inline trafficPolicy.connectionPool.tcp.maxConnections is 1",
		"Scenario timeline[0] fault left out",
		"Scenario timeline[0].fault.delay.fixed doubled",
		"Scenario timeline[0].fault.delay.fixed halved",
		"Scenario timeline[0].fault.delay.percent is 50",
		"Scenario timeline[1] apply left out",
		"Scenario timeline[2] scale left out",
		"Scenario timeline[2].scale.replicas is 3",
		"Scenario timeline[2].scale.replicas is 1",
		"Scenario timeline[2].unless removed",
	}, names)
}

// A step is one that can be told: a share moves by a quarter of the whole, what weighs nothing is nothing to take away, and a time that is lost in
// the noise, or that says how often to look, becomes ten times as long.
func TestStepsThatMatter(t *testing.T) {
	for _, c := range []struct {
		spec string
		want []string
	}{
		{"http: [{route: [{weight: 80}, {weight: 20}]}]", []string{"http[0].route[0] removed", "http[0].route[0].weight is 24", "http[0].route[1] removed", "http[0].route[1].weight is 65"}},
		{"http: [{route: [{weight: 100}, {weight: 0, headers: {a: true}}]}]", []string{"http[0].route[0] removed", "http[0].route[1].weight is 33"}},
		{"http: [{route: [{weight: 5}]}]", nil},
		{"backoff: 1ms", []string{"backoff is 10ms"}},
		{"backoff: 25ms", []string{"backoff doubled", "backoff halved"}},
		{"interval: 10s", []string{"interval is 1m40s"}},
		{"maxEjectionPercent: 10", []string{"maxEjectionPercent is 35"}},
		{"maxEjectionPercent: 34", []string{"maxEjectionPercent is 9"}},
		{"maxEjectionPercent: 100", []string{"maxEjectionPercent is 50"}},
	} {
		list, err := mutate.Rules([]byte("{kind: A, metadata: {name: b}, spec: {" + c.spec + "}}"))
		require.NoError(t, err)
		var names []string
		for _, m := range list {
			names = append(names, strings.TrimPrefix(m.Name, "A/b "))
		}
		require.Equal(t, c.want, names, c.spec)
	}
}

func TestWhatIsNoYAMLIsSaid(t *testing.T) {
	_, err := mutate.Rules([]byte("a: [b"))
	require.ErrorContains(t, err, "mutants need readable YAML")
}
