package mutate

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/scenarios/yamlnode"
)

// Rules gives the mutants of a file of rules: those of the spec of each document. Many are not valid, and some change nothing: whoever
// runs them has to look.
func Rules(data []byte) ([]Mutant, error) {
	docs, err := documents(data)
	if err != nil {
		return nil, err
	}
	f := &file{text: newText(data)}
	for _, doc := range docs {
		f.rule(doc)
	}
	return f.out, nil
}

// rule takes down the mutants of one rule.
func (f *file) rule(doc *yaml.Node) {
	kind, name, spec := yamlnode.Field(doc, "kind"), yamlnode.Field(yamlnode.Field(doc, "metadata"), "name"), yamlnode.Field(doc, "spec")
	if kind == nil || name == nil || spec == nil {
		return
	}
	f.value(kind.Value+"/"+name.Value, "", spec, subsets(doc))
}

// subsets are the names of a rule's subsets and of those that its routes lead to: what one may be taken for.
func subsets(n *yaml.Node) []string {
	var out []string
	seen := map[string]bool{}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		if n.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if v := n.Content[i+1]; n.Content[i].Value == "subset" && !seen[v.Value] {
					seen[v.Value] = true
					out = append(out, v.Value)
				}
			}
		}
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(n)
	return out
}

// value takes down the mutants of a value and of all that it holds.
func (f *file) value(of, path string, n *yaml.Node, subsets []string) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, v := n.Content[i].Value, n.Content[i+1]
			at := join(path, key)
			if start, end, ok := f.text.removeEntry(n, i); ok {
				f.add(of+" "+at+" removed", start, end, f.text.blank(start, end))
			}
			if v.Kind == yaml.ScalarNode {
				f.scalar(of, at, key, v, subsets)
				continue
			}
			f.value(of, at, v, subsets)
		}
	case yaml.SequenceNode:
		for i, v := range n.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			w := yamlnode.Field(v, "weight")
			rest := weight(n) - weightOf(v)
			if start, end, ok := f.text.removeItem(n, i); ok && (w == nil || w.Value != "0" || rest <= 0) {
				f.add(of+" "+at+" removed", start, end, f.text.blank(start, end))
			}
			if w != nil {
				f.share(of, at+".weight", w, rest)
				if w.Value == "0" && rest > 0 {
					continue // nothing is sent there, whatever it says
				}
			}
			f.value(of, at, v, subsets)
		}
	case yaml.DocumentNode, yaml.ScalarNode, yaml.AliasNode:
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
