package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/scenarios/mutate"
	"github.com/squallmesh/squall/scenarios/record"
)

// either is what a generated mutant must get: either of the two.
const either record.Verdict = "fail|inconclusive"

// blindSpot is a generated mutant that a scenario knowingly cannot notice.
type blindSpot struct {
	// Scenario is filled in for the index.
	Scenario string `json:"scenario,omitempty"`
	// Mutant is its name.
	Mutant string `json:"mutant"`
	// Reason says why nothing that the scenario could check would show it.
	Reason string `json:"reason"`
}

// generation is what is derived from one scenario.
type generation struct {
	jobs    []job
	mutants []mutant
	unseen  []blindSpot
}

// generate derives the mutants of a scenario, of which a share between 0 and 1 is drawn by the seed. Changes that make its files invalid are
// none, nor are those after which the mesh would be told the same, nor those that another one of written or before makes as well.
func generate(env *environment, path string, f mutantsFlags, file mutantFile, written []job) (g generation, problems diag.List) {
	base, problems := loadScenario(env, path)
	if base.file == nil || problems.HasErrors() {
		return g, problems
	}
	known := map[string]blindSpot{}
	for _, u := range file.Unseen {
		u.Scenario = base.file.Metadata.Name
		known[u.Mutant] = u
	}
	same := [][]map[string][]string{stages(base)}
	for _, j := range written {
		if sameScenario(base, j) {
			same = append(same, stages(j))
		}
	}
	for _, c := range candidates(base, mutantsOf(path), file.Shared, &problems) {
		if _, ok := known[c.Name]; !ok && !drawn(base.file.Metadata.Name+" "+c.Name, f.generated, f.seed) {
			continue
		}
		j, wrong := loadScenario(env, path, c.Edits...)
		if j.file == nil || wrong.HasErrors() {
			continue
		}
		if sameScenario(base, j) {
			s := stages(j)
			if slices.ContainsFunc(same, func(other []map[string][]string) bool { return reflect.DeepEqual(s, other) }) {
				continue
			}
			same = append(same, s)
		}
		if u, ok := known[c.Name]; ok {
			delete(known, c.Name)
			g.unseen = append(g.unseen, u)
			continue
		}
		j.file = j.file.Variants()[0]
		j.decided = failed
		g.jobs, g.mutants = append(g.jobs, j), append(g.mutants, c)
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		problems.Errorf("UNKNOWN-MUTANT", diag.Pos{File: mutantsOf(path)}, "unseen: no mutant of the scenario is %q", name)
	}
	return g, problems
}

func mutantsOf(scenario string) string { return filepath.Join(filepath.Dir(scenario), "mutants.yaml") }

// candidates are all changes of a scenario's files but the shared ones, valid or not. A file of the scenario's own folder is not shared.
func candidates(j job, mutantsFile string, shared []string, problems *diag.List) []mutant {
	var out []mutant
	seen := map[string]bool{}
	others := map[string]bool{}
	for i, f := range j.sources {
		name := filepath.Base(f.Name)
		if seen[name] {
			continue // applied more than once, or beside one of the same name: an edit could not tell which is meant
		}
		seen[name] = true
		if own, err := filepath.Rel(filepath.Dir(mutantsFile), f.Name); err != nil || !filepath.IsLocal(own) {
			others[name] = true
			if slices.Contains(shared, name) {
				continue
			}
		}
		derive := mutate.Rules
		if i == 0 {
			derive = mutate.Scenario
		}
		list, err := derive(f.Data)
		if err != nil {
			problems.Errorf("BAD-YAML", diag.Pos{File: f.Name}, "%v", err)
			continue
		}
		for _, m := range list {
			out = append(out, mutant{Name: name + ": " + m.Name, Expect: either, Edits: []edit{{File: name, change: &m}}})
		}
	}
	for _, name := range shared {
		if !others[name] {
			problems.Errorf("NO-FILE", diag.Pos{File: mutantsFile}, "shared: the scenario uses no file %s from outside its folder", name)
		}
	}
	return out
}

// drawn tells whether a name is in the share, the same for the same seed whatever else there is.
func drawn(name string, share float64, seed uint64) bool {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s", seed, name)
	return float64(h.Sum64())/math.MaxUint64 < share
}

// sameScenario tells whether two jobs differ in rules alone.
func sameScenario(a, b job) bool {
	x, y := a.file.Scenario, b.file.Scenario
	x.Spec.Config, y.Spec.Config = nil, nil
	return reflect.DeepEqual(x, y)
}

// stages are what each proxy does at first and after each apply.
func stages(j job) []map[string][]string {
	set := func(files []config.File) []*config.Document {
		docs, _ := config.Parse(files...)
		return docs
	}
	all := config.Set{}
	if j.app != nil {
		all = all.With(set(j.app.Manifests)...)
	}
	all = all.With(set(j.file.Rules)...)
	effects := func() map[string][]string { return paperOf(all, model.DefaultMesh()).effects() }
	out := []map[string][]string{effects()}
	items := j.file.Spec.Timeline
	for _, i := range slices.SortedFunc(maps.Keys(j.file.Items), func(a, b int) int { return cmp.Or(cmp.Compare(items[a].At, items[b].At), cmp.Compare(a, b)) }) {
		all = all.With(set(j.file.Items[i])...)
		out = append(out, effects())
	}
	return out
}
