package config

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"gopkg.in/yaml.v3"
)

// message decodes a mapping into a protobuf message by its descriptor, with JSON's names of fields.
func (d *decoder) message(n *yaml.Node, m protoreflect.Message, path, what string) {
	n, ok := d.enter(n, path)
	if !ok {
		return
	}
	defer d.leave()
	if !d.mapping(n, path, what) {
		return
	}
	desc := m.Descriptor()
	oneofs := map[protoreflect.FullName]string{}
	for _, p := range d.pairs(n, path) {
		at := joinPath(path, p.name)
		d.note(at, p)
		fd := desc.Fields().ByJSONName(p.name)
		if fd == nil {
			fd = desc.Fields().ByTextName(p.name)
		}
		if fd == nil {
			d.errorf("UNKNOWN-FIELD", p.key, at, "unknown field %q in %s", p.name, what)
			d.diags.Hint("%s", DidYouMean(p.name, jsonNames(desc)))
			continue
		}
		if fd.JSONName() != p.name { // snake_case is accepted, as protobuf's JSON does; checks use JSON's name
			at = joinPath(path, fd.JSONName())
			d.note(at, p)
		}
		if hint, ok := supports(fd); !ok {
			d.errorf("UNSUPPORTED-FIELD", p.key, at, "field %q is not supported yet", p.name)
			d.diags.Hint("%s", hint)
			continue
		}
		if isNull(p.value) {
			continue
		}
		if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() {
			if other := oneofs[o.FullName()]; other != "" {
				d.errorf("EXCLUSIVE-FIELDS", p.key, at, "%q and %q exclude one another", other, p.name)
				d.diags.Hint("keep one of the two")
				continue
			}
			oneofs[o.FullName()] = p.name
		}
		d.field(p.value, m, fd, at)
	}
}

func jsonNames(desc protoreflect.MessageDescriptor) []string {
	var out []string
	for i := range desc.Fields().Len() {
		if fd := desc.Fields().Get(i); supported(fd) {
			out = append(out, fd.JSONName())
		}
	}
	slices.Sort(out)
	return out
}

func (d *decoder) field(n *yaml.Node, m protoreflect.Message, fd protoreflect.FieldDescriptor, path string) {
	target, ok := d.enter(n, path)
	if !ok {
		return
	}
	defer d.leave()
	what := fd.JSONName()
	switch {
	case fd.IsList():
		if !d.sequence(target, path, what) {
			return
		}
		list := m.Mutable(fd).List()
		for i, item := range target.Content {
			p := at(path, i)
			d.places[p] = d.pos(item)
			if v, ok := d.value(item, fd, list.NewElement, p, what); ok {
				list.Append(v)
			} else if fd.Kind() == protoreflect.MessageKind { // keep the indexes of what follows
				list.Append(list.NewElement())
			}
		}
	case fd.IsMap():
		if !d.mapping(target, path, what) {
			return
		}
		entries := m.Mutable(fd).Map()
		for _, p := range d.pairs(target, path) {
			at := joinPath(path, p.name)
			d.note(at, p)
			key, known := d.mapKey(p, fd.MapKey(), at, what)
			if v, ok := d.value(p.value, fd.MapValue(), entries.NewValue, at, what+"."+p.name); ok && known {
				entries.Set(key, v)
			}
		}
	default:
		if v, ok := d.value(target, fd, func() protoreflect.Value { return m.NewField(fd) }, path, what); ok {
			m.Set(fd, v)
		}
	}
}

// mapKey reads a key of a map, which is a text or a number.
func (d *decoder) mapKey(p pair, fd protoreflect.FieldDescriptor, path, what string) (protoreflect.MapKey, bool) {
	if fd.Kind() != protoreflect.Uint32Kind {
		return protoreflect.ValueOfString(p.name).MapKey(), true
	}
	n, err := strconv.ParseUint(p.name, 10, 32)
	if err != nil {
		d.errorf("WRONG-TYPE", p.key, path, "a key of %s must be a number, not %s", what, shorten(p.name))
		return protoreflect.MapKey{}, false
	}
	return protoreflect.ValueOfUint32(uint32(n)).MapKey(), true
}

// value decodes one value that is neither a list nor a map.
func (d *decoder) value(n *yaml.Node, fd protoreflect.FieldDescriptor, fresh func() protoreflect.Value, path, what string) (protoreflect.Value, bool) {
	n, ok := d.enter(n, path)
	if !ok {
		return protoreflect.Value{}, false
	}
	defer d.leave()
	switch fd.Kind() {
	case protoreflect.MessageKind:
		v := fresh()
		return v, d.nested(n, v.Message(), path, what)
	case protoreflect.EnumKind:
		return d.enum(n, fd.Enum(), path, what)
	case protoreflect.BytesKind:
		s, ok := d.text(n, path, what)
		if !ok {
			return protoreflect.Value{}, false
		}
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			d.errorf("BAD-BASE64", n, path, "%s is not base64", what)
			return protoreflect.Value{}, false
		}
		return protoreflect.ValueOfBytes(b), true
	default:
		return d.scalar(n, fd.Kind(), path, what)
	}
}

func (d *decoder) nested(n *yaml.Node, m protoreflect.Message, path, what string) bool {
	switch m.Descriptor().FullName() {
	case "google.protobuf.Duration":
		t, ok := d.duration(n, path, what)
		if ok {
			pb := durationpb.New(t)
			m.Set(m.Descriptor().Fields().ByName("seconds"), protoreflect.ValueOfInt64(pb.Seconds))
			m.Set(m.Descriptor().Fields().ByName("nanos"), protoreflect.ValueOfInt32(pb.Nanos))
		}
		return ok
	case "google.protobuf.BoolValue", "google.protobuf.UInt32Value", "google.protobuf.DoubleValue", "google.protobuf.StringValue",
		"google.protobuf.Int32Value", "google.protobuf.UInt64Value", "google.protobuf.Int64Value", "google.protobuf.FloatValue":
		fd := m.Descriptor().Fields().ByName("value")
		v, ok := d.scalar(n, fd.Kind(), path, what)
		if ok {
			m.Set(fd, v)
		}
		return ok
	}
	switch m.Descriptor().FullName() {
	case anyMessage:
		return d.typed(n, m, path, what)
	case structMessage:
		return d.anything(n, m, path)
	}
	if n.Kind != yaml.MappingNode {
		return d.mapping(n, path, what)
	}
	d.message(n, m, path, what)
	return d.inside(n, m, path)
}

func (d *decoder) scalar(n *yaml.Node, kind protoreflect.Kind, path, what string) (protoreflect.Value, bool) {
	switch kind {
	case protoreflect.StringKind:
		s, ok := d.text(n, path, what)
		return protoreflect.ValueOfString(s), ok
	case protoreflect.BoolKind:
		b, ok := d.boolean(n, path, what)
		return protoreflect.ValueOfBool(b), ok
	case protoreflect.DoubleKind:
		f, ok := d.number(n, path, what)
		return protoreflect.ValueOfFloat64(f), ok
	case protoreflect.FloatKind:
		f, ok := d.number(n, path, what)
		return protoreflect.ValueOfFloat32(float32(f)), ok
	case protoreflect.Uint32Kind:
		_, u, ok := d.integer(n, path, what, 0, math.MaxUint32)
		return protoreflect.ValueOfUint32(uint32(u)), ok
	case protoreflect.Uint64Kind:
		_, u, ok := d.integer(n, path, what, 0, math.MaxUint64)
		return protoreflect.ValueOfUint64(u), ok
	case protoreflect.Int32Kind:
		neg, u, ok := d.integer(n, path, what, math.MinInt32, math.MaxInt32)
		return protoreflect.ValueOfInt32(int32(neg) + int32(u)), ok
	case protoreflect.Int64Kind:
		neg, u, ok := d.integer(n, path, what, math.MinInt64, math.MaxInt64)
		return protoreflect.ValueOfInt64(neg + int64(u)), ok
	}
	d.errorf("UNSUPPORTED-FIELD", n, path, "%s has a type that is not supported (%s)", what, kind)
	return protoreflect.Value{}, false
}

func (d *decoder) duration(n *yaml.Node, path, what string) (time.Duration, bool) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		if t, err := time.ParseDuration(strings.TrimSpace(n.Value)); err == nil {
			return t, true
		}
	}
	if n.Kind != yaml.ScalarNode {
		d.errorf("WRONG-TYPE", n, path, "%s must be a time, not %s", what, kindOf(n))
		return 0, false
	}
	d.errorf("BAD-DURATION", n, path, "%s must be a time with a unit, not %s", what, kindOf(n))
	d.diags.Hint("write 500ms, 1.5s, 2m or 1h")
	return 0, false
}

func (d *decoder) enum(n *yaml.Node, desc protoreflect.EnumDescriptor, path, what string) (protoreflect.Value, bool) {
	s, ok := d.text(n, path, what)
	if !ok {
		return protoreflect.Value{}, false
	}
	if v := desc.Values().ByName(protoreflect.Name(s)); v != nil {
		return protoreflect.ValueOfEnum(v.Number()), true
	}
	var names []string
	for i := range desc.Values().Len() {
		names = append(names, string(desc.Values().Get(i).Name()))
	}
	d.errorf("BAD-ENUM", n, path, "%s has no value %q", what, shorten(s))
	d.diags.Hint("one of %s", strings.Join(names, ", "))
	return protoreflect.Value{}, false
}
