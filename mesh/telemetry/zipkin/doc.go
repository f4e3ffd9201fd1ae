// Package zipkin receives traces by Zipkin's HTTP API, version 2, holds them in memory, and serves them by the same API, so
// that Envoy's tracer can send here and any Zipkin user interface can show what came.
package zipkin
