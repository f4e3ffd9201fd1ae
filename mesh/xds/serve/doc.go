// Package serve gives proxies their configuration over Envoy's aggregated discovery service, and
// says when a change is live.
//
// Each proxy has a small state machine. What it holds is kept as the same persistent tables that
// the translator makes, so finding what to send costs what changed. Additions go out clusters and
// endpoints first, then listeners and routes, each step after the proxy acknowledged the one
// before; removals come last (make before break). A proxy that is slow or gone holds back nobody
// else.
//
// Apply is the barrier: it returns when the change is effective on every connected proxy, or names
// the proxy and the stage that was missing at the deadline.
package serve
