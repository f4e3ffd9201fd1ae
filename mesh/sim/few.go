package sim

// few is a map that mostly has a handful of entries, of which one is asked for again and again: the first ones are in place, where a map
// has them three or four lines of memory away.
type few[K comparable, V any] struct {
	n     int
	first [3]pair[K, V]
	more  map[K]V
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

// get gives the value of a key, or the zero value.
func (f *few[K, V]) get(key K) V {
	for i := range f.first[:f.n] {
		if f.first[i].key == key {
			return f.first[i].value
		}
	}
	return f.more[key]
}

// put adds a key that is not there.
func (f *few[K, V]) put(key K, value V) {
	if f.n < len(f.first) {
		f.first[f.n] = pair[K, V]{key, value}
		f.n++
		return
	}
	if f.more == nil {
		f.more = map[K]V{}
	}
	f.more[key] = value
}
