// Package yamlnode finds things in YAML that was read with its positions and comments.
package yamlnode

import "gopkg.in/yaml.v3"

// Field gives the value of a mapping's key; nil where there is no such key, or no mapping.
func Field(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
