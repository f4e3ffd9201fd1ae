// Package istio makes Istio's standard metrics of hops, under Istio's names and labels, so that its users' queries and
// dashboards carry over.
//
// A sidecar's outbound hops and a gateway's are reported by the source, inbound ones by the destination. Counters grow with
// each hop, at the time it is told; [Metrics.Sample] reads them at a given time. Who is at an address is known to a function
// that is passed in.
package istio
