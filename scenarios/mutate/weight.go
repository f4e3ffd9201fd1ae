package mutate

import (
	"math"
	"strconv"

	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/scenarios/yamlnode"
)

// share takes down the mutant of a weight: its share moves by a quarter of the whole, towards the half. Where the others weigh nothing any
// weight is all there is, and a change of it is none.
func (f *file) share(of, path string, n *yaml.Node, rest float64) {
	start, end := f.text.start(n), f.text.end(n)
	w, err := strconv.ParseFloat(n.Value, 64)
	if err != nil || end < 0 || rest <= 0 {
		return
	}
	part := w / (w + rest)
	if part > 0.5 {
		part -= 0.25
	} else {
		part += 0.25
	}
	to := strconv.FormatFloat(math.Round(rest*part/(1-part)), 'f', -1, 64)
	f.add(of+" "+path+" is "+to, start, end, to)
}

// weight is what the items of a list weigh together.
func weight(list *yaml.Node) float64 {
	sum := 0.0
	for _, n := range list.Content {
		sum += weightOf(n)
	}
	return sum
}

// weightOf is what an item weighs; 0 if it does not say.
func weightOf(item *yaml.Node) float64 {
	w := yamlnode.Field(item, "weight")
	if w == nil {
		return 0
	}
	v, err := strconv.ParseFloat(w.Value, 64)
	if err != nil {
		return 0
	}
	return v
}
