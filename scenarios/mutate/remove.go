package mutate

import (
	"bytes"

	"gopkg.in/yaml.v3"
)

// removeEntry gives the bytes of an entry of a mapping: its key, its value and the comma behind it; false if they cannot be told or if the
// mapping would be empty. What takes their place are spaces.
func (t text) removeEntry(m *yaml.Node, i int) (start, end int, ok bool) {
	if len(m.Content) <= 2 {
		return 0, 0, false
	}
	start, end = t.start(m.Content[i]), t.end(m.Content[i+1])
	if end < 0 || m.Content[i].Line > m.Content[i+1].Line {
		return 0, 0, false
	}
	return start, t.behind(m, end), true
}

// removeItem does so for an item of a list, with the dash before it.
func (t text) removeItem(l *yaml.Node, i int) (start, end int, ok bool) {
	if len(l.Content) < 2 {
		return 0, 0, false
	}
	start, end = t.start(l.Content[i]), t.end(l.Content[i])
	if end < 0 {
		return 0, 0, false
	}
	if l.Style&yaml.FlowStyle == 0 {
		if start = bytes.LastIndexByte(t.data[:start], '-'); start < 0 {
			return 0, 0, false
		}
	}
	return start, t.behind(l, end), true
}

// behind moves past the comma that follows in a flow collection.
func (t text) behind(in *yaml.Node, end int) int {
	if in.Style&yaml.FlowStyle == 0 {
		return end
	}
	for i := end; i < len(t.data); i++ {
		switch t.data[i] {
		case ' ', '\n':
		case ',':
			return i + 1
		default:
			return end
		}
	}
	return end
}
