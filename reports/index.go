package reports

import (
	"cmp"
	"io"
	"slices"

	"github.com/squallmesh/squall/scenarios/record"
)

// Entry is one run in index.json.
type Entry struct {
	Name    string         `json:"name"`
	Verdict record.Verdict `json:"verdict"`
	Seconds float64        `json:"seconds"`
	Reason  string         `json:"reason"`
}

// Index writes index.json: an [Entry] per run, by name.
func Index(w io.Writer, runs []*record.Run) error {
	entries := []Entry{}
	for _, r := range runs {
		res := NewResult(r)
		entries = append(entries, Entry{res.Name, res.Verdict, res.Seconds, res.Reason})
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return writeJSON(w, entries)
}

// ExitCode is that of the command that made the runs: 4 if one broke, else 1 if one failed, else 5 if one is inconclusive,
// else 0. No runs at all show nothing: 5.
func ExitCode(runs []*record.Run) int {
	seen := map[record.Verdict]bool{}
	for _, r := range runs {
		seen[verdict(r)] = true
	}
	switch {
	case seen[record.Error]:
		return 4
	case seen[record.Fail]:
		return 1
	case seen[record.Inconclusive] || len(runs) == 0:
		return 5
	}
	return 0
}
