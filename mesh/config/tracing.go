package config

import (
	"slices"

	"gopkg.in/yaml.v3"
	meshapi "istio.io/api/mesh/v1alpha1"

	"github.com/squallmesh/squall/mesh/model"
)

// telemetry reads a provider of traces, metrics or logs; false for another.
func (p *providerReader) telemetry(in *meshapi.MeshConfig_ExtensionProvider, damaged bool, out *model.Mesh) bool {
	if in.Name == "" && !damaged && (in.GetZipkin() != nil || in.GetOpentelemetry() != nil || in.GetEnvoyFileAccessLog() != nil || in.GetPrometheus() != nil) {
		p.errorf("MISSING-FIELD", "name", "a provider needs a name, by which rules call it")
	}
	switch {
	case in.GetZipkin() != nil:
		z := in.GetZipkin()
		p.tracer(out, "zipkin", z.Service, z.Port, &model.TracingProvider{
			Name: in.Name, MaxTagLength: z.MaxTagLength,
			W3C: z.TraceContextOption == meshapi.MeshConfig_ExtensionProvider_ZipkinTracingProvider_USE_B3_WITH_W3C_PROPAGATION,
		}, damaged)
	case in.GetOpentelemetry() != nil:
		o := in.GetOpentelemetry()
		p.tracer(out, "opentelemetry", o.Service, o.Port, &model.TracingProvider{Name: in.Name, MaxTagLength: o.MaxTagLength, OpenTelemetry: true}, damaged)
	case in.GetPrometheus() != nil:
		out.MetricsProviders = append(out.MetricsProviders, in.Name)
	case in.GetEnvoyFileAccessLog() != nil:
		p.fileLog(out, in.Name, in.GetEnvoyFileAccessLog())
	default:
		return false
	}
	return true
}

func (p *providerReader) tracer(out *model.Mesh, kind, service string, port uint32, t *model.TracingProvider, damaged bool) {
	if service == "" && !damaged {
		p.errorf("MISSING-FIELD", kind+".service", "where are spans sent?")
	}
	if (port < 1 || port > 65535) && !damaged {
		p.errorf("BAD-PORT", kind+".port", "a port lies between 1 and 65535, not at %d", port)
	}
	t.Host, t.Port, t.Pos = service, port, p.r.pos(p.path)
	out.Tracers = append(out.Tracers, t)
}

// telemetrySetting reads one of the mesh's settings about what is reported.
func (r reporter) telemetrySetting(name string, node *yaml.Node, path string, out *model.Mesh) {
	switch name {
	case "enableTracing":
		var on bool
		if err := node.Decode(&on); err != nil {
			r.errorf("WRONG-TYPE", path, "enableTracing is true or false")
			return
		}
		out.NoTracing = !on
	case "defaultProviders":
		in := struct {
			Metrics       []string             `yaml:"metrics"`
			Tracing       []string             `yaml:"tracing"`
			AccessLogging []string             `yaml:"accessLogging"`
			Others        map[string]yaml.Node `yaml:",inline"`
		}{}
		if err := node.Decode(&in); err != nil || len(in.Others) > 0 {
			r.errorf("BAD-VALUE", path, "defaultProviders has lists of names for accessLogging, metrics and tracing")
			return
		}
		if len(in.Tracing) > 1 {
			r.errorf("TOO-MANY", path, "defaultProviders: a proxy has one tracer")
			return
		}
		if len(in.Tracing) == 1 {
			out.DefaultTracer = in.Tracing[0]
		}
		out.DefaultLogs = in.AccessLogging
		for _, m := range in.Metrics {
			if m != metricsProvider {
				r.errorf("UNKNOWN-PROVIDER", path, "defaultProviders: there is no provider of metrics %q", shorten(m))
				r.hint("there is %s", metricsProvider)
			}
		}
	case "defaultConfig":
		in := struct {
			Tracing struct {
				Sampling *float64             `yaml:"sampling"`
				Others   map[string]yaml.Node `yaml:",inline"`
			} `yaml:"tracing"`
			Others map[string]yaml.Node `yaml:",inline"`
		}{}
		if err := node.Decode(&in); err != nil || len(in.Others)+len(in.Tracing.Others) > 0 {
			r.errorf("UNSUPPORTED-FIELD", path, "defaultConfig has tracing.sampling here, and nothing else")
			r.hint("defaultConfig: {tracing: {sampling: 10}}")
			return
		}
		if s := in.Tracing.Sampling; s != nil {
			out.Sampling = r.percent(*s, path)
		}
	}
}

// defaultProviders checks the names once all settings are read.
func (r reporter) defaultProviders(path string, out *model.Mesh) {
	if t := out.DefaultTracer; t != "" && out.Tracer(t) == nil {
		r.errorf("UNKNOWN-PROVIDER", path, "defaultProviders: there is no provider of traces %q among extensionProviders", shorten(t))
	}
	for _, l := range out.DefaultLogs {
		if out.Log(l) == nil {
			r.errorf("UNKNOWN-PROVIDER", path, "defaultProviders: there is no provider of logs %q among extensionProviders", shorten(l))
		}
	}
	slices.Sort(out.MetricsProviders)
}
