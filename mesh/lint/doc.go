// Package lint finds rules that are legal and cannot do what they say: a limit that nothing reaches, a retry for which there
// is no time, an ejection whose arithmetic never comes out.
//
// It stands beside mesh/config, which says what is invalid, and above mesh/model, since most of what it finds needs several
// documents together, and the number of endpoints behind a host. Every finding states its arithmetic with the numbers of the rule
// at hand. The behaviour of Envoy and Istio that it relies on was seen with Envoy 1.40; where a scenario of the catalogue shows
// it, the rule names that scenario.
//
// A rule of the table is silent whenever what it needs is not known (no endpoints, no call graph): a finding is meant to be
// believed.
package lint
