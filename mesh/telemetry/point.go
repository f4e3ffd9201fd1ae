package telemetry

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Label of a metric.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Labels are sorted by name, without duplicates and without empty values.
type Labels []Label

// MakeLabels sorts labels and leaves out empty values.
func MakeLabels(all map[string]string) Labels {
	labels := make(Labels, 0, len(all))
	for name, value := range all {
		if value != "" {
			labels = append(labels, Label{name, value})
		}
	}
	slices.SortFunc(labels, func(a, b Label) int { return cmp.Compare(a.Name, b.Name) })
	return labels
}

// Get returns a label's value, or empty.
func (l Labels) Get(name string) string {
	i, found := slices.BinarySearchFunc(l, name, func(a Label, name string) int { return cmp.Compare(a.Name, name) })
	if !found {
		return ""
	}
	return l[i].Value
}

// Key is the same for equal labels only.
func (l Labels) Key() string {
	var b strings.Builder
	for _, label := range l {
		b.WriteString(label.Name)
		b.WriteByte(0)
		b.WriteString(label.Value)
		b.WriteByte(0)
	}
	return b.String()
}

// Point is one sample of one series.
type Point struct {
	// Name of the metric, any UTF-8.
	Name string `json:"name"`
	// Labels without the name.
	Labels Labels `json:"labels,omitempty"`
	// Time of the sample, of which stores keep milliseconds.
	Time  time.Time `json:"time"`
	Value float64   `json:"value"`
}
