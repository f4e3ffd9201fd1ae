package config

import (
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/mesh/diag"
)

// Bounds on one document, so that aliases cannot make a small file endless.
const (
	maxDepth = 64
	maxNodes = 1_000_000
)

// decoder walks the nodes of one document. Both kinds of target types (protobuf messages and Go structs) share it.
type decoder struct {
	file   string
	places places
	broken []string
	diags  *diag.List
	depth  int
	nodes  int
	// raw are values of which the type is known only when the rest is decoded, by their paths.
	raw map[string]*yaml.Node
}

func (d *decoder) pos(n *yaml.Node) diag.Pos {
	return diag.Pos{File: d.file, Line: n.Line, Col: n.Column}
}

func (d *decoder) errorf(code string, n *yaml.Node, path, format string, args ...any) {
	d.diags.Add(diag.Diagnostic{Code: code, Pos: d.pos(n), Path: path, Message: fmt.Sprintf(format, args...)})
	d.broken = append(d.broken, path)
}

// enter counts a node and gives what an alias stands for. It must be paired with leave where it says true.
func (d *decoder) enter(n *yaml.Node, path string) (*yaml.Node, bool) {
	d.nodes++
	for i := 0; n.Kind == yaml.AliasNode && n.Alias != nil && i < maxDepth; i++ {
		n = n.Alias
	}
	if d.depth >= maxDepth || d.nodes > maxNodes {
		if d.nodes <= maxNodes+1 {
			d.errorf("TOO-DEEP", n, path, "the document is nested too deeply or too large")
			d.nodes = maxNodes + 2
		}
		return n, false
	}
	d.depth++
	return n, true
}

func (d *decoder) leave() { d.depth-- }

// pair is a key of a mapping and its value.
type pair struct {
	name       string
	key, value *yaml.Node
}

// pairs gives the entries of a mapping, merge keys (<<) in place, and reports keys that occur twice.
func (d *decoder) pairs(n *yaml.Node, path string) []pair {
	var out, merged []pair
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merged = append(merged, d.merge(value, path)...)
			continue
		}
		if key.Kind == yaml.AliasNode && key.Alias != nil {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			d.errorf("WRONG-TYPE", key, path, "a field's name must be a word")
			continue
		}
		if seen[key.Value] {
			d.errorf("DUPLICATE-FIELD", key, joinPath(path, key.Value), "field %q occurs twice", key.Value)
			continue
		}
		seen[key.Value] = true
		out = append(out, pair{key.Value, key, value})
	}
	for _, p := range merged {
		if !seen[p.name] {
			seen[p.name] = true
			out = append(out, p)
		}
	}
	return out
}

func (d *decoder) merge(n *yaml.Node, path string) []pair {
	n, ok := d.enter(n, path)
	if !ok {
		return nil
	}
	defer d.leave()
	switch n.Kind {
	case yaml.MappingNode:
		return d.pairs(n, path)
	case yaml.SequenceNode:
		var out []pair
		for _, c := range n.Content {
			out = append(out, d.merge(c, path)...)
		}
		return out
	}
	d.errorf("WRONG-TYPE", n, path, "<< needs a mapping, not %s", kindOf(n))
	return nil
}

// note keeps where a field is: at its key, or at its value if that is a single word.
func (d *decoder) note(path string, p pair) {
	at := p.key
	if p.value.Kind == yaml.ScalarNode || p.value.Kind == yaml.AliasNode {
		at = p.value
	}
	d.places[path] = d.pos(at)
}

func (d *decoder) mapping(n *yaml.Node, path, what string) bool {
	if n.Kind == yaml.MappingNode {
		return true
	}
	d.errorf("WRONG-TYPE", n, path, "%s must be a mapping, not %s", what, kindOf(n))
	return false
}

func (d *decoder) sequence(n *yaml.Node, path, what string) bool {
	if n.Kind == yaml.SequenceNode {
		return true
	}
	d.errorf("WRONG-TYPE", n, path, "%s must be a list, not %s", what, kindOf(n))
	if n.Kind == yaml.ScalarNode {
		d.diags.Hint("write [%s]", n.Value)
	} else {
		d.diags.Hint("start each item with a dash")
	}
	return false
}

// text reads a string.
func (d *decoder) text(n *yaml.Node, path, what string) (string, bool) {
	if n.Kind == yaml.ScalarNode && (n.Tag == "!!str" || n.Tag == "!!timestamp" || n.Tag == "!!binary") {
		return n.Value, true
	}
	d.errorf("WRONG-TYPE", n, path, "%s must be a string, not %s", what, kindOf(n))
	if n.Kind == yaml.ScalarNode {
		d.diags.Hint("put it into quotes: %q", n.Value)
	}
	return "", false
}

func (d *decoder) boolean(n *yaml.Node, path, what string) (bool, bool) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!bool" {
		var b bool
		if n.Decode(&b) == nil {
			return b, true
		}
	}
	d.errorf("WRONG-TYPE", n, path, "%s must be true or false, not %s", what, kindOf(n))
	return false, false
}

// integer reads a whole number between min and max.
func (d *decoder) integer(n *yaml.Node, path, what string, min int64, max uint64) (neg int64, pos uint64, ok bool) {
	if n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float") {
		var i int64
		var u uint64
		switch {
		case n.Tag == "!!int" && n.Decode(&i) == nil && i < 0:
			if i >= min {
				return i, 0, true
			}
			d.rangeError(n, path, what, min, max)
			return 0, 0, false
		case n.Tag == "!!int" && n.Decode(&u) == nil:
			if u <= max {
				return 0, u, true
			}
			d.rangeError(n, path, what, min, max)
			return 0, 0, false
		case n.Tag == "!!int":
			d.rangeError(n, path, what, min, max)
			return 0, 0, false
		}
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && f == float64(int64(f)) && f >= 0 && f < 1<<53 && uint64(f) <= max {
			return 0, uint64(f), true
		}
	}
	d.errorf("WRONG-TYPE", n, path, "%s must be a whole number, not %s", what, kindOf(n))
	if _, err := strconv.ParseInt(n.Value, 10, 64); err == nil && n.Kind == yaml.ScalarNode {
		d.diags.Hint("write %s without quotes", n.Value)
	}
	return 0, 0, false
}

func (d *decoder) rangeError(n *yaml.Node, path, what string, min int64, max uint64) {
	d.errorf("OUT-OF-RANGE", n, path, "%s must lie between %d and %d, not %s", what, min, max, n.Value)
}

func (d *decoder) number(n *yaml.Node, path, what string) (float64, bool) {
	if n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float") {
		var f float64
		if n.Decode(&f) == nil {
			return f, true
		}
	}
	d.errorf("WRONG-TYPE", n, path, "%s must be a number, not %s", what, kindOf(n))
	return 0, false
}

func isNull(n *yaml.Node) bool {
	for i := 0; n.Kind == yaml.AliasNode && n.Alias != nil && i < maxDepth; i++ {
		n = n.Alias
	}
	return n.Kind == yaml.ScalarNode && n.Tag == "!!null"
}

// kindOf says what a node is, for messages.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!null":
			return "nothing"
		case "!!str":
			return "the string " + strconv.Quote(shorten(n.Value))
		case "!!bool":
			return n.Value
		case "!!int", "!!float":
			return "the number " + shorten(n.Value)
		}
		return strconv.Quote(shorten(n.Value))
	}
	return "something else"
}

func shorten(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:57], "") + "..."
	}
	return s
}

// joinPath appends a name to a path.
func joinPath(path, name string) string {
	if !plainName(name) {
		return path + "[" + strconv.Quote(name) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func plainName(s string) bool {
	for _, r := range s {
		if r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return s != ""
}

// at appends an index to a path.
func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
