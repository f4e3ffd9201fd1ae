// Package addons serves what Prometheus, Zipkin and the service graph are to a mesh, for a mesh that stays up: their HTTP APIs over what its
// proxies report, on one address.
package addons
