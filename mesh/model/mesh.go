package model

import "time"

// Mesh holds what is set once for the whole mesh.
type Mesh struct {
	// TrustDomain of identities, default cluster.local.
	TrustDomain string
	// Domain of services, default svc.cluster.local.
	Domain string
	// RootNamespace holds mesh-wide rules, default istio-system.
	RootNamespace string
	// Capture is how traffic reaches sidecars.
	Capture Capture
	// ConnectTimeout of clusters, default 10 s (Istio's).
	ConnectTimeout time.Duration
	// MergeWindow of host updates, default 1 s (Envoy's); negative is none.
	MergeWindow time.Duration
	// Sampling of traces, percent, default 100 in the lab.
	Sampling float64
	// RegistryOnly refuses calls to unknown hosts.
	RegistryOnly bool
	// Providers are asked about requests by policies with the action CUSTOM.
	Providers []*ExtensionProvider
	// Tracers and Logs are those that rules may name beside the lab's own.
	Tracers []*TracingProvider
	Logs    []*AccessLogProvider
	// BuiltinLog is the log that Istio has without any setting; it is written where rules ask for it, and everywhere if its path is set.
	BuiltinLog AccessLogProvider
	// DefaultTracer and DefaultLogs are used where no rule names others; an empty tracer is the lab's own.
	DefaultTracer string
	DefaultLogs   []string
	// MetricsProviders are names for the lab's own metrics, beside Istio's prometheus.
	MetricsProviders []string
	// NoTracing makes no spans where no rule asks for them.
	NoTracing bool
	// Start is what the mesh was started with, where documents say otherwise now; nil else.
	Start *Mesh
}

// DefaultMesh is Istio's defaults, with every trace kept.
func DefaultMesh() *Mesh {
	return &Mesh{
		TrustDomain: "cluster.local", Domain: "svc.cluster.local", RootNamespace: "istio-system",
		Capture: CaptureProxy, ConnectTimeout: 10 * time.Second, MergeWindow: time.Second, Sampling: 100,
	}
}

// ExactMesh is DefaultMesh without the window in which Envoy merges host updates.
func ExactMesh() *Mesh {
	m := DefaultMesh()
	m.MergeWindow = -1
	return m
}
