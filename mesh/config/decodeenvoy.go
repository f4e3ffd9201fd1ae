package config

import (
	"net/netip"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"gopkg.in/yaml.v3"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// patchValues decodes the values of an EnvoyFilter's patches, each into the message that its target is, so that every field has its place and its
// type is known before Envoy sees it.
func patchValues(d *decoder, doc *Document) {
	doc.values = map[string]proto.Message{}
	for i, p := range doc.message.(*networking.EnvoyFilter).ConfigPatches {
		path := at("spec.configPatches", i) + ".patch.value"
		n := d.raw[path]
		target, known := patched[model.PatchTarget(p.ApplyTo.String())]
		if n == nil || !known {
			continue
		}
		value := target.message()
		d.message(n, value.ProtoReflect(), path, "value")
		d.inside(n, value.ProtoReflect(), path)
		doc.values[path] = value
	}
}

// Messages that hold others of any type.
const (
	anyMessage    = "google.protobuf.Any"
	structMessage = "google.protobuf.Struct"
)

// anything keeps the value of a patch for later, and decodes other mappings that may hold anything.
func (d *decoder) anything(n *yaml.Node, m protoreflect.Message, path string) bool {
	if strings.HasSuffix(path, ".patch.value") {
		if d.raw == nil {
			d.raw = map[string]*yaml.Node{}
		}
		d.raw[path] = n
		return true
	}
	text, ok := d.json(n, path)
	if !ok {
		return false
	}
	if err := protojson.Unmarshal(text, m.Interface()); err != nil {
		d.errorf("BAD-VALUE", n, path, "%s is not what it should be: %v", lastName(path), err)
		return false
	}
	return true
}

// typed decodes a message that says by "@type" which one it is.
func (d *decoder) typed(n *yaml.Node, m protoreflect.Message, path, what string) bool {
	if !d.mapping(n, path, what) {
		return false
	}
	rest := *n
	rest.Content = nil
	var kind *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "@type" {
			kind = n.Content[i+1]
			continue
		}
		rest.Content = append(rest.Content, n.Content[i], n.Content[i+1])
	}
	if kind == nil {
		d.errorf("MISSING-FIELD", n, path, `%s needs an "@type", which says which message it is`, what)
		d.diags.Hint(`"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua`)
		return false
	}
	url, ok := d.text(kind, path, "@type")
	if !ok {
		return false
	}
	found, err := protoregistry.GlobalTypes.FindMessageByURL(url)
	if err != nil {
		d.errorf("UNKNOWN-TYPE", kind, path, "the type %q is not known", shorten(url))
		switch near := nearest(url, typeURLs()); {
		case strings.Contains(url, ".wasm."):
			d.diags.Hint("Wasm needs a module that rules do not carry; a Lua filter can")
		case near != "":
			d.diags.Hint("did you mean %s?", near)
		default:
			d.diags.Hint("extensions of Envoy 1.40 that fetch no code and ask no resolver are known, by their v3 types")
		}
		return false
	}
	value := found.New()
	switch value.Descriptor().FullName() {
	case structMessage:
		ok = d.anything(&rest, value, path)
	default:
		ok = d.nested(&rest, value, path, what)
	}
	if !ok {
		return false
	}
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(value.Interface())
	if err != nil {
		d.errorf("BAD-VALUE", n, path, "%s cannot be sent to Envoy: %v", what, err)
		return false
	}
	fields := m.Descriptor().Fields()
	m.Set(fields.ByName("type_url"), protoreflect.ValueOfString(url))
	m.Set(fields.ByName("value"), protoreflect.ValueOfBytes(wire))
	return true
}

// typeURLs are those of Envoy's extensions that are known.
func typeURLs() []string {
	var out []string
	protoregistry.GlobalTypes.RangeMessages(func(m protoreflect.MessageType) bool {
		if name := string(m.Descriptor().FullName()); strings.HasPrefix(name, "envoy.extensions.") {
			out = append(out, "type.googleapis.com/"+name)
		}
		return true
	})
	return out
}

// lab are the addresses that a proxy may be sent to by a patch: this machine's own, and those of labs.
var lab = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("198.18.0.0/15")}

// inside refuses what would lead traffic out of the lab: addresses of others, and clusters that ask a resolver.
func (d *decoder) inside(n *yaml.Node, m protoreflect.Message, path string) bool {
	fields := m.Descriptor().Fields()
	switch m.Descriptor().FullName() {
	case "envoy.config.core.v3.SocketAddress":
		text := m.Get(fields.ByName("address")).String()
		address, err := netip.ParseAddr(text)
		if err == nil && (address.IsUnspecified() || inLab(address)) {
			return true
		}
		d.errorf("OUTSIDE-LAB", n, path, "%q is no address of a lab", shorten(text))
		d.diags.Hint("declare hosts outside in a ServiceEntry: the lab has stand-ins for them")
		return false
	case "envoy.config.cluster.v3.Cluster":
		switch kind := m.Descriptor().Fields().ByName("type"); {
		case m.Has(fields.ByName("cluster_type")):
			d.errorf("OUTSIDE-LAB", n, path, "a cluster of an extension's type may ask a resolver outside of the lab")
			d.diags.Hint("type: STATIC or EDS")
			return false
		case strings.HasSuffix(string(kind.Enum().Values().ByNumber(m.Get(kind).Enum()).Name()), "_DNS"):
			d.errorf("OUTSIDE-LAB", n, path, "a cluster that looks names up would ask a resolver outside of the lab")
			d.diags.Hint("type: STATIC, or a ServiceEntry: the lab has stand-ins for hosts outside")
			return false
		}
	}
	return true
}

func inLab(address netip.Addr) bool {
	for _, p := range lab {
		if p.Contains(address.Unmap()) {
			return true
		}
	}
	return false
}
