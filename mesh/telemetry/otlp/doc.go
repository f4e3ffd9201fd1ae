// Package otlp takes traces by the OpenTelemetry protocol over gRPC, and sends them on by it. Spans are kept in the shape of Zipkin's API,
// as OpenTelemetry's specification maps the one to the other.
package otlp
