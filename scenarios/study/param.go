// Package study varies a scenario and says what comes of it: over a grid or a Latin hypercube of parameters, or by looking for the value
// at which its checks cease to pass. It does not know how a scenario is run.
package study

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/scenarios/yamlnode"
)

// Param is a field of the scenario's file, or of one of its rules, that is varied.
type Param struct {
	// Name is how people wrote it: spec.load[0].rate, or rules.yaml:VirtualService/ratings:spec.http[0].timeout.
	Name string
	// File, Kind and Object say where Path is; empty for the scenario itself.
	File, Kind, Object string
	Path               string
	// Values to try; or Low and High, between which values are drawn or searched, with Unit behind the number.
	Values    []string
	Low, High float64
	Unit      string
}

var (
	field = regexp.MustCompile(`^[A-Za-z][\w-]*(\[\d+\])*(\.[A-Za-z][\w-]*(\[\d+\])*)*$`)
	span  = regexp.MustCompile(`^(\d+(?:\.\d+)?)([^\d.]\S*)?\.\.(\d+(?:\.\d+)?)([^\d.]\S*)?$`)
)

// ParseParam reads NAME=V1,V2,... or NAME=LOW..HIGH. Of a range both ends have the same unit: 10/s..200/s, 50ms..900ms.
func ParseParam(s string) (p Param, err error) {
	name, values, ok := strings.Cut(s, "=")
	if !ok || values == "" {
		return p, fmt.Errorf("%q: want a field and its values, as in spec.load[0].rate=20/s,40/s or =20/s..90/s", s)
	}
	p.Name, p.Path = name, name
	if parts := strings.Split(name, ":"); len(parts) == 3 {
		p.File, p.Path = parts[0], parts[2]
		if p.Kind, p.Object, ok = strings.Cut(parts[1], "/"); !ok || p.File == "" {
			return p, fmt.Errorf("%q: want file:Kind/name:path before the values", s)
		}
	} else if len(parts) != 1 {
		return p, fmt.Errorf("%q: want a path, or file:Kind/name:path, before the values", s)
	}
	if !field.MatchString(p.Path) {
		return p, fmt.Errorf("%q: %q is no path of a field, such as spec.load[0].rate", s, p.Path)
	}
	m := span.FindStringSubmatch(values)
	if m == nil {
		if strings.Contains(values, "..") {
			return p, fmt.Errorf("%q: want a range of two numbers with the same unit, such as 20/s..90/s", s)
		}
		p.Values = strings.Split(values, ",")
		return p, nil
	}
	p.Low, _ = strconv.ParseFloat(m[1], 64)
	p.High, _ = strconv.ParseFloat(m[3], 64)
	p.Unit = m[2]
	if m[2] != m[4] || p.Low >= p.High {
		return p, fmt.Errorf("%q: want a range that grows, with the same unit at both ends: %s%s..%s%s", s, m[1], m[2], m[3], m[2])
	}
	return p, nil
}

// Range tells whether the parameter is between two values.
func (p Param) Range() bool { return p.Values == nil }

// Value is a number with the parameter's unit, in whole numbers where both ends are.
func (p Param) Value(x float64) string {
	if p.Low == math.Trunc(p.Low) && p.High == math.Trunc(p.High) {
		x = math.Round(x)
	}
	return strconv.FormatFloat(x, 'g', 6, 64) + p.Unit
}

// Set gives a file with the parameter's field changed. The field must be there, so that a slip of the pen is no study.
func (p Param) Set(file []byte, value string) ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	found := false
	for d := yaml.NewDecoder(bytes.NewReader(file)); ; {
		var doc yaml.Node
		if err := d.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if len(doc.Content) == 1 && p.meant(doc.Content[0]) {
			n, err := at(doc.Content[0], p.Path)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.Name, err)
			}
			n.Value, n.Tag, n.Style = value, "", 0
			found = true
		}
		if err := e.Encode(&doc); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fmt.Errorf("%s: there is no %s %s", p.Name, p.Kind, p.Object)
	}
	return out.Bytes(), nil
}

func (p Param) meant(doc *yaml.Node) bool {
	return p.File == "" || scalar(doc, "kind") == p.Kind && scalar(yamlnode.Field(doc, "metadata"), "name") == p.Object
}

// at finds a scalar by its path.
func at(n *yaml.Node, path string) (*yaml.Node, error) {
	for _, step := range strings.FieldsFunc(strings.NewReplacer("[", ".", "]", "").Replace(path), func(r rune) bool { return r == '.' }) {
		if i, err := strconv.Atoi(step); err == nil {
			if n.Kind != yaml.SequenceNode || i >= len(n.Content) {
				return nil, fmt.Errorf("line %d: there is no [%d]", n.Line, i)
			}
			n = n.Content[i]
			continue
		}
		next := yamlnode.Field(n, step)
		if next == nil {
			return nil, fmt.Errorf("line %d: there is no field %s: write it down, so that it can be varied", n.Line, step)
		}
		n = next
	}
	if n.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("line %d: this is no single value", n.Line)
	}
	return n, nil
}

func scalar(n *yaml.Node, key string) string {
	if c := yamlnode.Field(n, key); c != nil {
		return c.Value
	}
	return ""
}
