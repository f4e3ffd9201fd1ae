package mutate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"gopkg.in/yaml.v3"
)

// Mutant is one small change of a file.
type Mutant struct {
	// Name says what is changed, and tells the mutants of a file apart: "VirtualService/reviews http[0].timeout doubled".
	Name string
	// Start and End are the bytes that To takes the place of.
	Start, End int
	To         string
}

// Apply makes the change.
func (m Mutant) Apply(data []byte) []byte {
	return slices.Concat(data[:m.Start], []byte(m.To), data[m.End:])
}

// file is a file while mutants are made from it.
type file struct {
	text text
	out  []Mutant
}

// add takes a change down.
func (f *file) add(name string, start, end int, to string) {
	f.out = append(f.out, Mutant{Name: name, Start: start, End: end, To: to})
}

// documents parses all documents of a file, whose positions count from its begin.
func documents(data []byte) ([]*yaml.Node, error) {
	var out []*yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := d.Decode(&n); err != nil {
			if errors.Is(err, io.EOF) {
				return out, nil
			}
			return nil, fmt.Errorf("mutants need readable YAML: %w", err)
		}
		if len(n.Content) == 1 {
			out = append(out, n.Content[0])
		}
	}
}
