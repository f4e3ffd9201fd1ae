package mutate

import (
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// text is a file's bytes and where its lines begin.
type text struct {
	data  []byte
	lines []int
}

func newText(data []byte) text {
	t := text{data: data, lines: []int{0}}
	for i, b := range data {
		if b == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// at gives the offset of a node's line and column, which count from 1, columns in runes.
func (t text) at(line, column int) int {
	i := t.lines[line-1]
	for range column - 1 {
		_, size := utf8.DecodeRune(t.data[i:])
		i += size
	}
	return i
}

func (t text) start(n *yaml.Node) int { return t.at(n.Line, n.Column) }

// end gives the offset after a node's value. Block scalars (| and >) have none that can be told, which gives -1.
func (t text) end(n *yaml.Node) int {
	switch {
	case n.Kind == yaml.ScalarNode:
		return t.endOfScalar(n)
	case n.Style&yaml.FlowStyle != 0:
		return t.closing(t.start(n))
	case len(n.Content) == 0:
		return t.start(n)
	}
	return t.end(n.Content[len(n.Content)-1])
}

func (t text) endOfScalar(n *yaml.Node) int {
	i := t.start(n)
	switch n.Style &^ yaml.TaggedStyle {
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		return t.quoted(i)
	case yaml.LiteralStyle, yaml.FoldedStyle:
		return -1
	}
	if !strings.HasPrefix(string(t.data[i:]), n.Value) {
		return -1 // a plain scalar over several lines, a null
	}
	return i + len(n.Value)
}

// quoted gives the offset after the quoted text that begins at i.
func (t text) quoted(i int) int {
	quote := t.data[i]
	for i++; i < len(t.data); i++ {
		switch {
		case quote == '"' && t.data[i] == '\\':
			i++
		case t.data[i] == quote && quote == '\'' && i+1 < len(t.data) && t.data[i+1] == '\'':
			i++
		case t.data[i] == quote:
			return i + 1
		}
	}
	return -1
}

// closing gives the offset after the flow collection that begins at i.
func (t text) closing(i int) int {
	depth := 0
	for ; i >= 0 && i < len(t.data); i++ {
		switch t.data[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', '\'':
			// Within a plain word a quote is a letter.
			if before := t.data[i-1]; before == ' ' || before == '{' || before == '[' || before == ',' || before == ':' {
				if i = t.quoted(i) - 1; i < 0 {
					return -1
				}
			}
		case '#':
			if t.data[i-1] == ' ' {
				for i < len(t.data) && t.data[i] != '\n' {
					i++
				}
			}
		}
	}
	return -1
}

// blank gives spaces in place of what stands between two offsets; line ends stay.
func (t text) blank(start, end int) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return ' '
	}, string(t.data[start:end]))
}
