package mutate

import (
	"fmt"

	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/scenarios/yamlnode"
)

// Scenario gives the mutants of a scenario's file: those of rules that stand in it, and for each item of its timeline that it does not happen
// and that its numbers are others. Loads and checks are left as they are: they are what has to notice.
func Scenario(data []byte) ([]Mutant, error) {
	docs, err := documents(data)
	if err != nil {
		return nil, err
	}
	f := &file{text: newText(data)}
	for _, doc := range docs {
		spec := yamlnode.Field(doc, "spec")
		f.inline(yamlnode.Field(spec, "config"))
		items := yamlnode.Field(spec, "timeline")
		if items == nil || items.Kind != yaml.SequenceNode {
			continue
		}
		for i, item := range items.Content {
			f.item(fmt.Sprintf("timeline[%d]", i), items, i, item)
		}
	}
	return f.out, nil
}

// inline takes down the mutants of rules that stand in a list, between the paths of others.
func (f *file) inline(list *yaml.Node) {
	if list == nil {
		return
	}
	for _, n := range list.Content {
		if n.Kind == yaml.MappingNode {
			f.rule(n)
		}
	}
}

// item takes down the mutants of what happens. An item without a name is removed whole, one with a name keeps its phase.
func (f *file) item(path string, items *yaml.Node, index int, item *yaml.Node) {
	if item.Kind != yaml.MappingNode {
		return
	}
	f.inline(yamlnode.Field(item, "apply"))
	named := yamlnode.Field(item, "name") != nil
	for i := 0; i+1 < len(item.Content); i += 2 {
		key, v := item.Content[i].Value, item.Content[i+1]
		switch key {
		case "fault", "apply", "delete", "hold", "release", "script", "scale", "restart":
			start, end, ok := f.text.removeEntry(item, i)
			if !named {
				start, end, ok = f.text.removeItem(items, index)
			}
			if ok {
				f.add("Scenario "+path+" "+key+" left out", start, end, f.text.blank(start, end))
			}
			if key != "apply" && key != "delete" {
				f.numbers("Scenario", path+"."+key, v)
			}
		case "when", "unless":
			if start, end, ok := f.text.removeEntry(item, i); ok {
				f.add("Scenario "+path+"."+key+" removed", start, end, f.text.blank(start, end))
			}
		}
	}
}

// numbers takes down the mutants of the numbers and times that a value holds.
func (f *file) numbers(of, path string, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, v := n.Content[i].Value, n.Content[i+1]
			at := join(path, key)
			if v.Kind != yaml.ScalarNode {
				f.numbers(of, at, v)
				continue
			}
			f.scalar(of, at, key, v, nil)
		}
	case yaml.SequenceNode:
		for i, v := range n.Content {
			f.numbers(of, fmt.Sprintf("%s[%d]", path, i), v)
		}
	case yaml.DocumentNode, yaml.ScalarNode, yaml.AliasNode:
	}
}
