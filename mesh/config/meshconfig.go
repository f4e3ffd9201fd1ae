package config

import (
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
	core "k8s.io/api/core/v1"

	"github.com/squallmesh/squall/mesh/model"
)

// Mesh-wide settings are where Istio keeps them: in the field mesh of the ConfigMap istio, in the root namespace.
const (
	meshConfigName  = "istio"
	meshConfigField = "mesh"
)

// meshConfig applies mesh-wide settings; without any, those hold with which the mesh was started.
func (b *build) meshConfig() {
	start := b.snap.Mesh
	if start.Start != nil {
		start = start.Start
	}
	want, said := *start, false
	for _, doc := range b.set.ofKind(kindConfigMap) {
		b.of(doc, func() {
			if doc.Name == meshConfigName && doc.Namespace == b.snap.Mesh.RootNamespace {
				said = true
				b.reporter(doc).meshConfig(doc.object.(*core.ConfigMap), &want)
				return
			}
			r := b.reporter(doc)
			r.warnf("IGNORED-KIND", "kind", "a ConfigMap has no effect in this lab")
			r.hint("mesh-wide settings are in the ConfigMap %s of %s", meshConfigName, b.snap.Mesh.RootNamespace)
		})
	}
	if !said {
		b.snap.Mesh = start
		return
	}
	want.Start = start
	b.snap.Mesh = same(b.snap.Mesh, &want)
}

func (r reporter) meshConfig(in *core.ConfigMap, out *model.Mesh) {
	for _, name := range slices.Sorted(maps.Keys(in.Data)) {
		if name != meshConfigField {
			r.errorf("UNSUPPORTED-FIELD", joinPath("data", name), "%q of the mesh's settings is not supported yet", name)
		}
	}
	const path = "data." + meshConfigField
	var settings map[string]yaml.Node
	if err := yaml.Unmarshal([]byte(in.Data[meshConfigField]), &settings); err != nil {
		r.errorf("BAD-YAML", path, "the mesh's settings are no YAML: %v", err)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		node := settings[name]
		switch name {
		case "outboundTrafficPolicy":
		case "extensionProviders":
			r.extensionProviders(&node, path, out)
			continue
		case "accessLogFile", "accessLogFormat", "accessLogEncoding":
			r.accessLogSetting(name, &node, path, out)
			continue
		case "enableTracing", "defaultProviders", "defaultConfig":
			r.telemetrySetting(name, &node, path, out)
			continue
		default:
			r.errorf("UNSUPPORTED-FIELD", path, "the setting %q is not supported yet", shorten(name))
			r.hint("delete it; what has no effect here is refused rather than ignored. There are accessLogEncoding, accessLogFile, accessLogFormat, " +
				"defaultConfig (tracing.sampling), defaultProviders, enableTracing, extensionProviders and outboundTrafficPolicy")
			continue
		}
		var policy map[string]string
		if err := node.Decode(&policy); err != nil || len(policy) != 1 || policy["mode"] == "" {
			r.errorf("BAD-VALUE", path, "outboundTrafficPolicy has a mode and nothing else here")
			r.hint("outboundTrafficPolicy: {mode: REGISTRY_ONLY}")
			continue
		}
		switch policy["mode"] {
		case "REGISTRY_ONLY":
			out.RegistryOnly = true
		case "ALLOW_ANY":
			out.RegistryOnly = false
			if out.Capture == model.CaptureProxy {
				r.errorf("NO-PASSTHROUGH", path, "a sidecar that its app uses as a proxy lets nothing pass that no service stands for (ALLOW_ANY)")
				r.hint("use --platform pods, or declare the host in a ServiceEntry")
			}
		default:
			r.errorf("BAD-ENUM", path, "there is no mode %q", shorten(policy["mode"]))
			r.hint("%s", DidYouMean(policy["mode"], []string{"ALLOW_ANY", "REGISTRY_ONLY"}))
		}
	}
	r.accessLogBuiltin(path, out)
	r.defaultProviders(path, out)
}
