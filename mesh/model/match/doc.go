// Package match decides which route of a VirtualService takes a request, from the model alone.
//
// It is the simulator's own reading of the rules. Package mesh/xds/eval reads generated Envoy configuration to the same end and shares
// no code with this one, so that comparing the two means something.
package match
