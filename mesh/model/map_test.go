package model

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The map must agree with a plain Go map whatever is done to it, and Diff with a comparison
// of all keys.
func TestMapAgreesWithPlainMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Map[int]
		plain := map[string]int{}
		mark, markPlain := m, maps.Clone(plain)
		steps := rapid.IntRange(1, 120).Draw(t, "steps")
		for i := range steps {
			key := fmt.Sprintf("outbound|%d", rapid.IntRange(0, 40).Draw(t, "key"))
			switch rapid.IntRange(0, 4).Draw(t, "op") {
			case 0:
				m = m.Delete(key)
				delete(plain, key)
			case 1:
				mark, markPlain = m, maps.Clone(plain)
			default:
				m = m.Set(key, i)
				plain[key] = i
			}
		}
		require.Equal(t, len(plain), m.Len())
		got := map[string]int{}
		var keys []string
		for k, v := range m.All() {
			got[k] = v
			keys = append(keys, k)
		}
		require.Equal(t, plain, got)
		require.True(t, slices.IsSorted(keys))

		want := map[string]Change[int]{}
		for k, v := range plain {
			if old, had := markPlain[k]; !had || old != v {
				want[k] = Change[int]{Key: k, Old: old, New: v, Had: had, Has: true}
			}
		}
		for k, v := range markPlain {
			if _, has := plain[k]; !has {
				want[k] = Change[int]{Key: k, Old: v, Had: true}
			}
		}
		diffs := map[string]Change[int]{}
		var order []string
		Diff(mark, m, func(c Change[int]) { diffs[c.Key] = c; order = append(order, c.Key) })
		require.Equal(t, want, diffs)
		require.True(t, slices.IsSorted(order))
	})
}

func TestMapShapeDoesNotDependOnOrder(t *testing.T) {
	var up, down Map[int]
	for i := range 100 {
		up = up.Set(fmt.Sprint(i), i)
		down = down.Set(fmt.Sprint(99-i), 99-i)
	}
	require.Equal(t, up, down)
}

func TestMapSetOfSameValueIsTheSameMap(t *testing.T) {
	m := Map[int]{}.Set("a", 1)
	require.True(t, m.Same(m.Set("a", 1)))
	require.True(t, m.Same(m.Delete("b")))
}
