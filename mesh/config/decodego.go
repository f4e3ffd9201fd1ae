package config

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// into decodes a node into a Go value by its json tags. Types with a JSON form of their own (quantities, times, ports
// that are numbers or names) decode themselves.
func (d *decoder) into(n *yaml.Node, v reflect.Value, path, what string) bool {
	n, ok := d.enter(n, path)
	if !ok {
		return false
	}
	defer d.leave()
	if v.CanAddr() && v.Addr().Type().Implements(jsonUnmarshaler) {
		return d.bySelf(n, v, path, what)
	}
	if v.CanAddr() && v.Addr().Type().Implements(textUnmarshaler) {
		s, ok := d.text(n, path, what)
		if !ok {
			return false
		}
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
			d.errorf("BAD-VALUE", n, path, "%s cannot be %q: %v", what, shorten(s), err)
			return false
		}
		return true
	}
	switch v.Kind() {
	case reflect.Pointer:
		if isNull(n) {
			return true
		}
		v.Set(reflect.New(v.Type().Elem()))
		return d.into(n, v.Elem(), path, what)
	case reflect.Struct:
		return d.structure(n, v, path, what)
	case reflect.Slice:
		return d.slice(n, v, path, what)
	case reflect.Map:
		if !d.mapping(n, path, what) {
			return false
		}
		if v.Type().Key().Kind() != reflect.String {
			d.errorf("UNSUPPORTED-FIELD", n, path, "%s has a type that is not supported", what)
			return false
		}
		v.Set(reflect.MakeMap(v.Type()))
		for _, p := range d.pairs(n, path) {
			at := joinPath(path, p.name)
			d.note(at, p)
			elem := reflect.New(v.Type().Elem()).Elem()
			if d.into(p.value, elem, at, what+"."+p.name) {
				v.SetMapIndex(reflect.ValueOf(p.name).Convert(v.Type().Key()), elem)
			}
		}
		return true
	case reflect.String:
		s, ok := d.text(n, path, what)
		v.SetString(s)
		return ok
	case reflect.Bool:
		b, ok := d.boolean(n, path, what)
		v.SetBool(b)
		return ok
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		bits := v.Type().Bits()
		neg, u, ok := d.integer(n, path, what, -1<<(bits-1), 1<<(bits-1)-1)
		v.SetInt(neg + int64(u))
		return ok
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		_, u, ok := d.integer(n, path, what, 0, math.MaxUint64>>(64-v.Type().Bits()))
		v.SetUint(u)
		return ok
	case reflect.Float32, reflect.Float64:
		f, ok := d.number(n, path, what)
		v.SetFloat(f)
		return ok
	case reflect.Interface:
		return true // anything goes, and nothing reads it
	}
	d.errorf("UNSUPPORTED-FIELD", n, path, "%s has a type that is not supported", what)
	return false
}

func (d *decoder) slice(n *yaml.Node, v reflect.Value, path, what string) bool {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		s, ok := d.text(n, path, what)
		if !ok {
			return false
		}
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			d.errorf("BAD-BASE64", n, path, "%s is not base64", what)
			return false
		}
		v.SetBytes(b)
		return true
	}
	if !d.sequence(n, path, what) {
		return false
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		p := at(path, i)
		d.places[p] = d.pos(item)
		d.into(item, v.Index(i), p, what)
	}
	return true
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path, what string) bool {
	if !d.mapping(n, path, what) {
		return false
	}
	fields := map[string]reflect.Value{}
	jsonFields(v, fields)
	for _, p := range d.pairs(n, path) {
		at := joinPath(path, p.name)
		d.note(at, p)
		f, ok := fields[p.name]
		if !ok {
			var names []string
			for name, f := range fields {
				if f.Kind() != reflect.Interface { // those are kept by the API server, not written by people
					names = append(names, name)
				}
			}
			slices.Sort(names)
			d.errorf("UNKNOWN-FIELD", p.key, at, "unknown field %q in %s", p.name, what)
			d.diags.Hint("%s", DidYouMean(p.name, names))
			continue
		}
		if !isNull(p.value) {
			d.into(p.value, f, at, p.name)
		}
	}
	return true
}

// jsonFields collects a struct's fields by their names in JSON, those of embedded structs among them.
func jsonFields(v reflect.Value, out map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		tag, ok := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && (name == "" || strings.Contains(options, "inline")) && f.Type.Kind() == reflect.Struct:
			jsonFields(v.Field(i), out)
		case f.IsExported() && ok && name != "" && name != "-":
			out[name] = v.Field(i)
		}
	}
}

// bySelf hands a node to a type that reads its own JSON.
func (d *decoder) bySelf(n *yaml.Node, v reflect.Value, path, what string) bool {
	b, ok := d.json(n, path)
	if !ok {
		return false
	}
	if err := v.Addr().Interface().(json.Unmarshaler).UnmarshalJSON(b); err != nil {
		d.errorf("BAD-VALUE", n, path, "%s cannot be %s: %v", what, kindOf(n), err)
		return false
	}
	return true
}

// json writes a node as JSON.
func (d *decoder) json(n *yaml.Node, path string) ([]byte, bool) {
	n, ok := d.enter(n, path)
	if !ok {
		return nil, false
	}
	defer d.leave()
	var b []byte
	switch n.Kind {
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!null":
			return []byte("null"), true
		case "!!bool", "!!int", "!!float":
			if n.Tag == "!!bool" {
				return []byte(strings.ToLower(n.Value)), true
			}
			if f, err := strconv.ParseFloat(n.Value, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) && json.Valid([]byte(n.Value)) {
				return []byte(n.Value), true
			}
		}
		b, _ = json.Marshal(n.Value)
		return b, true
	case yaml.SequenceNode:
		b = append(b, '[')
		for i, c := range n.Content {
			if i > 0 {
				b = append(b, ',')
			}
			item, ok := d.json(c, path)
			if !ok {
				return nil, false
			}
			b = append(b, item...)
		}
		return append(b, ']'), true
	case yaml.MappingNode:
		b = append(b, '{')
		for i, p := range d.pairs(n, path) {
			if i > 0 {
				b = append(b, ',')
			}
			value, ok := d.json(p.value, path)
			if !ok {
				return nil, false
			}
			key, _ := json.Marshal(p.name)
			b = append(append(append(b, key...), ':'), value...)
		}
		return append(b, '}'), true
	}
	return []byte("null"), true
}
