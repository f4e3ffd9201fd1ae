package model

import "iter"

// Map is an immutable ordered map from strings. Set and Delete give a new map that shares
// nearly all of the old one, in O(log n); Diff of two maps costs what differs, not what they
// hold. The zero value is the empty map.
//
// It is a treap whose priorities are hashes of the keys, so its shape depends on the keys
// alone and never on the order of the calls: equal parts of two maps that come from one
// another are the same nodes.
type Map[V comparable] struct{ root *node[V] }

type node[V comparable] struct {
	key         string
	val         V
	prio        uint64
	size        int
	left, right *node[V]
}

// priority is FNV-1a with a final mix, so that keys with long common prefixes spread well.
func priority(key string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return h ^ h>>32
}

func (n *node[V]) len() int {
	if n == nil {
		return 0
	}
	return n.size
}

func (n *node[V]) with(left, right *node[V]) *node[V] {
	return &node[V]{key: n.key, val: n.val, prio: n.prio, left: left, right: right, size: 1 + left.len() + right.len()}
}

// above reports whether n stands above m: by priority, then by key, so that the shape is unique.
func (n *node[V]) above(m *node[V]) bool {
	if n.prio != m.prio {
		return n.prio > m.prio
	}
	return n.key < m.key
}

// Len is the number of keys.
func (m Map[V]) Len() int { return m.root.len() }

// Same reports whether the two maps are the very same, in O(1).
func (m Map[V]) Same(o Map[V]) bool { return m.root == o.root }

// Get gives the value of a key, and whether it is there.
func (m Map[V]) Get(key string) (V, bool) {
	for n := m.root; n != nil; {
		switch {
		case key < n.key:
			n = n.left
		case key > n.key:
			n = n.right
		default:
			return n.val, true
		}
	}
	var zero V
	return zero, false
}

// At gives the value of a key, or the zero value.
func (m Map[V]) At(key string) V {
	v, _ := m.Get(key)
	return v
}

// Set gives the map with the key's value. Setting the value that is there gives the same map.
func (m Map[V]) Set(key string, v V) Map[V] {
	if old, ok := m.Get(key); ok {
		if old == v {
			return m
		}
		return Map[V]{replace(m.root, key, v)}
	}
	return Map[V]{insert(m.root, &node[V]{key: key, val: v, prio: priority(key), size: 1})}
}

func replace[V comparable](n *node[V], key string, v V) *node[V] {
	switch {
	case key < n.key:
		return n.with(replace(n.left, key, v), n.right)
	case key > n.key:
		return n.with(n.left, replace(n.right, key, v))
	}
	c := *n
	c.val = v
	return &c
}

func insert[V comparable](n, x *node[V]) *node[V] {
	if n == nil {
		return x
	}
	if x.above(n) {
		left, _, right := split(n, x.key)
		return x.with(left, right)
	}
	if x.key < n.key {
		return n.with(insert(n.left, x), n.right)
	}
	return n.with(n.left, insert(n.right, x))
}

// Delete gives the map without the key.
func (m Map[V]) Delete(key string) Map[V] {
	if _, ok := m.Get(key); !ok {
		return m
	}
	return Map[V]{remove(m.root, key)}
}

func remove[V comparable](n *node[V], key string) *node[V] {
	switch {
	case key < n.key:
		return n.with(remove(n.left, key), n.right)
	case key > n.key:
		return n.with(n.left, remove(n.right, key))
	}
	return join(n.left, n.right)
}

func join[V comparable](l, r *node[V]) *node[V] {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	case l.above(r):
		return l.with(l.left, join(l.right, r))
	}
	return r.with(join(l, r.left), r.right)
}

// split parts a tree at a key; mid is the key's own node, or nil.
func split[V comparable](n *node[V], key string) (left, mid, right *node[V]) {
	if n == nil {
		return nil, nil, nil
	}
	switch {
	case key < n.key:
		l, m, r := split(n.left, key)
		return l, m, n.with(r, n.right)
	case key > n.key:
		l, m, r := split(n.right, key)
		return n.with(n.left, l), m, r
	}
	return n.left, n, n.right
}

// All goes through the map in the order of its keys.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) { m.root.walk(yield) }
}

func (n *node[V]) walk(yield func(string, V) bool) bool {
	return n == nil || n.left.walk(yield) && yield(n.key, n.val) && n.right.walk(yield)
}

// Change is one difference between two maps. Had and Has say on which side the key exists.
type Change[V any] struct {
	Key      string
	Old, New V
	Had, Has bool
}

// Diff calls f for each key whose value differs, in the order of the keys. Subtrees that the
// two maps share are not entered.
func Diff[V comparable](a, b Map[V], f func(Change[V])) { diff(a.root, b.root, f) }

func diff[V comparable](a, b *node[V], f func(Change[V])) {
	switch {
	case a == b:
	case a == nil:
		b.walk(func(k string, v V) bool { f(Change[V]{Key: k, New: v, Has: true}); return true })
	case b == nil:
		a.walk(func(k string, v V) bool { f(Change[V]{Key: k, Old: v, Had: true}); return true })
	case a.key == b.key:
		diff(a.left, b.left, f)
		if a.val != b.val {
			f(Change[V]{Key: a.key, Old: a.val, New: b.val, Had: true, Has: true})
		}
		diff(a.right, b.right, f)
	case a.above(b):
		left, _, right := split(b, a.key)
		diff(a.left, left, f)
		f(Change[V]{Key: a.key, Old: a.val, Had: true})
		diff(a.right, right, f)
	default:
		left, _, right := split(a, b.key)
		diff(left, b.left, f)
		f(Change[V]{Key: b.key, New: b.val, Has: true})
		diff(right, b.right, f)
	}
}
