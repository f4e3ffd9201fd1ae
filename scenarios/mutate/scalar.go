package mutate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// change is what becomes of a value, and a word for it.
type change struct{ word, to string }

// scalar takes down the mutants of a single value.
func (f *file) scalar(of, path, key string, n *yaml.Node, subsets []string) {
	start, end := f.text.start(n), f.text.end(n)
	if end < 0 {
		return
	}
	for _, c := range changes(key, n, subsets) {
		f.add(of+" "+path+" "+c.word, start, end, c.to)
	}
}

// changes are the smallest ones that matter, by a value's type and its key.
func changes(key string, n *yaml.Node, subsets []string) []change {
	switch {
	case key == "subset":
		if i := slices.Index(subsets, n.Value); len(subsets) > 1 && i >= 0 {
			other := subsets[(i+1)%len(subsets)]
			return []change{{"is " + other, other}}
		}
		return nil
	case n.Tag == "!!bool":
		b := n.Value != "true"
		return []change{{fmt.Sprintf("is %v", b), strconv.FormatBool(b)}}
	case n.Tag == "!!int" || n.Tag == "!!float":
		return number(key, n.Value)
	case n.Tag != "!!str":
		return nil
	}
	if d, err := time.ParseDuration(n.Value); err == nil && d > 0 {
		return duration(key, d)
	}
	if c, ok := words()[key]; ok {
		for _, to := range c {
			if to != n.Value {
				return []change{{"is " + to, to}}
			}
		}
	}
	switch key {
	case "exact", "prefix", "suffix", "uri":
		return []change{{"is another", strconv.Quote(n.Value + "x")}}
	case "regex":
		return []change{{"fits nothing", strconv.Quote("x{7}" + n.Value + "x{7}")}}
	}
	return nil
}

// noise is a time that nobody can tell from twice as much on a machine that does other things as well.
const noise = 20 * time.Millisecond

// duration changes a time: to twice and half of it. One that is no more than noise becomes ten times as long, and so does an interval: how often
// something is looked at shows in what is looked at only when it is much too seldom.
func duration(key string, d time.Duration) []change {
	if d <= noise || key == "interval" {
		return []change{{"is " + (10 * d).String(), (10 * d).String()}}
	}
	return []change{{"doubled", (2 * d).String()}, {"halved", (d / 2).String()}}
}

// words are the values that a word may be changed to, by key: the first that it is not.
func words() map[string][]string {
	return map[string][]string{
		"simple":         {"RANDOM", "ROUND_ROBIN"},
		"retryOn":        {"retriable-4xx"},
		"httpHeaderName": {"x-nobody-sends-this"},
		"method":         {"DELETE"},
		"body":           {"another"},
		"string":         {"another"},
	}
}

// number changes a number: a percentage by half or by a quarter of the whole, what counts by one. Weights are changed where the others are known.
func number(key, text string) []change {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil
	}
	is := func(v float64) []change {
		s := strconv.FormatFloat(v, 'f', -1, 64)
		return []change{{"is " + s, s}}
	}
	lower := strings.ToLower(key)
	switch {
	case key == "weight":
		return nil
	case key == "value" || strings.HasSuffix(lower, "percent") || strings.HasSuffix(lower, "percentage"):
		switch {
		case v > 50:
			return is(v / 2)
		case v > 25:
			return is(v - 25)
		}
		return is(v + 25)
	case v >= 100 && v < 600 && strings.Contains(lower, "status"), v > 1000:
		return is(v + 1)
	case v == 0:
		return is(1)
	}
	return append(is(v+1), is(v-1)...)
}
