// Package telemetry is what a mesh says of itself: one [Hop] per request and proxy from access logs, a [Span] per piece of
// work from traces, a [Point] per sample of a metric.
//
//   - als receives access logs from Envoys.
//   - zipkin receives and serves traces.
//   - istio makes Istio's standard metrics of hops.
//   - promql stores points and answers queries.
//
// The [Ledger] holds all hops of a run and lets others wait until those of certain requests have arrived: evidence comes
// later than the answers that it is about.
package telemetry
