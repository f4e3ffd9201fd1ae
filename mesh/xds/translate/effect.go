package translate

import (
	"bytes"
	"slices"
)

// Effect names what a proxy does with a view: the versions of its listeners and of all that they lead to, sorted. Clusters that no route and
// no listener names are left out, with their endpoints: no request can tell whether they are there. Two views with the same effect
// treat every request alike; two with different ones may still do so.
func (v *View) Effect() []string {
	var out []string
	var leading [][]byte
	add := func(r *Resource) { out = append(out, r.Type.String()+" "+r.Name+" "+r.Version) }
	for _, t := range []Type{Listener, Route, Extension, Runtime, Secret} {
		for _, r := range v.All(t) {
			add(r)
			leading = append(leading, r.Body.GetValue())
		}
	}
	for name, cluster := range v.All(Cluster) {
		if !slices.ContainsFunc(leading, func(b []byte) bool { return bytes.Contains(b, []byte(name)) }) {
			continue
		}
		add(cluster)
		if e := v.Get(Endpoint, name); e != nil {
			add(e)
		}
	}
	slices.Sort(out)
	return out
}
