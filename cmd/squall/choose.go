package main

import (
	"fmt"
	"slices"
	"strings"
)

// chosen gives the jobs whose scenarios have one of the tags (all without tags; a tag with ! in front excludes), and of these the part that a shard
// runs: "2/3" is the second of three. Shards deal the jobs out in turn, so that they last about as long.
func chosen(jobs []job, tags []string, shard string) ([]job, error) {
	index, of := 1, 1
	if shard != "" {
		var rest string
		if n, _ := fmt.Sscanf(shard+" ", "%d/%d%s", &index, &of, &rest); n != 2 || of < 1 || index < 1 || index > of {
			return nil, fmt.Errorf("--shard %q: want which of how many, 1/3", shard)
		}
	}
	var with, without []string
	for _, t := range tags {
		if name, ok := strings.CutPrefix(t, "!"); ok {
			without = append(without, name)
			continue
		}
		with = append(with, t)
	}
	var out []job
	for _, j := range jobs {
		has := func(tag string) bool { return slices.Contains(j.file.Metadata.Tags, tag) }
		if (len(with) == 0 || slices.ContainsFunc(with, has)) && !slices.ContainsFunc(without, has) {
			out = append(out, j)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no scenario has the tags %s", strings.Join(tags, ","))
	}
	var mine []job
	for i, j := range out {
		if i%of == index-1 {
			mine = append(mine, j)
		}
	}
	if len(mine) == 0 {
		return nil, fmt.Errorf("--shard %s: there are only %d scenarios", shard, len(out))
	}
	return mine, nil
}
