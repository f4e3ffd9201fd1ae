package quota

import (
	"maps"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// Limits are the limits of QuotaPolicies that the mesh counts for all proxies together, by their names in it.
func Limits(snaps ...model.Snapshot) map[string]Limit {
	out := map[string]Limit{}
	for _, s := range snaps {
		for _, q := range s.QuotaPolicies.All() {
			for _, l := range q.Limits {
				if !l.Global {
					continue
				}
				limit := Limit{Requests: l.Rate.Requests, Unit: l.Rate.Unit, Burst: l.Rate.Burst, Algorithm: GCRA}
				if l.Rate.Window {
					limit.Algorithm = FixedWindow
				}
				out[q.LimitKey(l)] = limit
			}
		}
	}
	return out
}

// Changed gives what the keys of limits begin with whose counts mean nothing any more: of those that are gone, and those that count in another
// way now. One of which only the number is another goes on.
func Changed(before, now map[string]Limit) (beginnings []string) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if l, stays := now[name]; !stays || l.Algorithm != before[name].Algorithm || l.Unit != before[name].Unit {
			beginnings = append(beginnings, Key(Entry{NameKey, name}))
		}
	}
	return beginnings
}

// NameKey is the key of an entry that names the limit: the first one of each Key.
const NameKey = "limit"

// Entry is a part of what a limit counts by: what it is and its value.
type Entry struct{ Key, Value string }

// Key joins entries to a key that no other entries have.
func Key(entries ...Entry) string {
	var b strings.Builder
	for _, e := range entries {
		b.WriteString(quoted(e.Key))
		b.WriteByte('=')
		b.WriteString(quoted(e.Value))
		b.WriteByte(',')
	}
	return b.String()
}

// quoted keeps values from looking like the next entry.
func quoted(s string) string { return quoting.Replace(s) }

var quoting = strings.NewReplacer(`\`, `\\`, `=`, `\=`, `,`, `\,`)
