package model

import "github.com/squallmesh/squall/mesh/diag"

// TracingProvider is a tracer that rules name. Its spans go to the lab's store, which stands for the service that it names.
type TracingProvider struct {
	Name string
	// OpenTelemetry sends spans by OTLP and tells the next proxy of a trace by W3C's headers; else Zipkin's format and B3's headers.
	OpenTelemetry bool
	// W3C adds W3C's headers to B3's.
	W3C bool
	// Host and Port are the service that rules name.
	Host string
	Port uint32
	// MaxTagLength cuts the tag of the path; 0 is Envoy's 256.
	MaxTagLength uint32
	Pos          diag.Pos
}

// Tracer finds a tracer by its name, or gives nil: the lab's own.
func (m *Mesh) Tracer(name string) *TracingProvider {
	for _, p := range m.Tracers {
		if p.Name == name {
			return p
		}
	}
	return nil
}
