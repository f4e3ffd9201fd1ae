package explore

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/scenarios/yamlnode"
)

// Write gives the scenario's file with a finding's faults in it, and what was found in its comments. name replaces the scenario's; relocate
// changes the paths that the file names, for a file that lies elsewhere.
func Write(source []byte, name string, f Finding, relocate func(string) string) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(source, &doc); err != nil {
		return nil, err
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, fmt.Errorf("a scenario is one YAML document")
	}
	root := doc.Content[0]
	if meta := yamlnode.Field(root, "metadata"); meta != nil {
		if n := yamlnode.Field(meta, "name"); n != nil {
			n.Value = name
		}
	}
	sp := yamlnode.Field(root, "spec")
	if sp == nil {
		return nil, fmt.Errorf("the scenario has no spec")
	}
	for _, path := range paths(sp) {
		path.Value = relocate(path.Value)
	}
	timeline := yamlnode.Field(sp, "timeline")
	if timeline == nil {
		timeline = &yaml.Node{Kind: yaml.SequenceNode}
		sp.Content = append(sp.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "timeline"}, timeline)
	}
	timeline.Style = 0
	for i, fault := range f.Faults {
		var item yaml.Node
		if err := yaml.Unmarshal([]byte(fault.YAML()), &item); err != nil {
			return nil, err
		}
		one := item.Content[0]
		one.HeadComment = "Found: " + fault.String() + "."
		timeline.Content = append(timeline.Content[:i:i], append([]*yaml.Node{one}, timeline.Content[i:]...)...)
	}
	root.HeadComment = comment(f)
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&doc); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// comment is what was found, in words.
func comment(f Finding) string {
	lines := []string{"squall explore found that this breaks:"}
	for _, c := range f.Failed {
		lines = append(lines, fmt.Sprintf("  %s: %s", c.Name, c.Reason))
	}
	lines = append(lines, "The least that did was:")
	for _, least := range f.Least {
		lines = append(lines, "  "+least.String())
	}
	if len(f.Evidence) > 0 {
		lines = append(lines, "Calls that nobody made without the faults:")
		for _, e := range f.Evidence {
			lines = append(lines, "  "+e)
		}
	}
	return strings.Join(lines, "\n")
}

// paths are the names of files in a scenario: rules, those of the timeline, and an app that is no word.
func paths(sp *yaml.Node) (out []*yaml.Node) {
	list := func(n *yaml.Node) {
		if n == nil {
			return
		}
		for _, c := range n.Content {
			if c.Kind == yaml.ScalarNode {
				out = append(out, c)
			}
		}
	}
	list(yamlnode.Field(sp, "config"))
	if t := yamlnode.Field(sp, "timeline"); t != nil {
		for _, item := range t.Content {
			list(yamlnode.Field(item, "apply"))
		}
	}
	if app := yamlnode.Field(sp, "app"); app != nil && strings.ContainsAny(app.Value, "./") {
		out = append(out, app)
	}
	return out
}

// Relocation gives paths that are relative to one folder as they are from another.
func Relocation(from, to string) func(string) string {
	return func(path string) string {
		if filepath.IsAbs(path) {
			return path
		}
		a, err1 := filepath.Abs(filepath.Join(from, path))
		b, err2 := filepath.Abs(to)
		if err1 != nil || err2 != nil {
			return path
		}
		if rel, err := filepath.Rel(b, a); err == nil {
			return filepath.ToSlash(rel)
		}
		return a
	}
}
