package des

import "math/bits"

// item is an event in the queue. Of a timer, who is its slot in timers.
type item struct {
	at    uint64
	who   uint32
	kind  Kind
	timer bool
}

// A time of 63 bits is a number of eleven digits of six bits. Larger digits move items less often; the bit sets of what is filled are
// a machine word at this size.
const (
	digitBits = 6
	digits    = 1 << digitBits
	levels    = (63 + digitBits - 1) / digitBits
)

// radix is a priority queue whose pops never go back in time. What is due at last, the time of the last pop, is in due. Another item
// is in the bucket of the highest digit in which its time differs from last, and of the value of its time there. So the lowest value
// of the lowest level that is not empty has the earliest items; each item moves only to lower levels; and items of equal time are
// always in the same bucket, in the order in which they were pushed.
type radix struct {
	last    uint64
	size    int
	due     bucket
	buckets [levels][digits]bucket
	// filled has a bit for each value of a level that has items, occupied one for each level.
	filled   [levels]uint64
	occupied uint16
	// head is how many items of the first chunk of due have been popped.
	head int
	// spare chunks, linked.
	spare *chunk
}

// chunkItems makes a chunk four cache lines.
const chunkItems = 15

// chunk is a piece of a bucket. Each bucket keeps one and gets more from spare, so that no memory is allocated once there are enough for
// the largest number of items that there ever were.
type chunk struct {
	items [chunkItems]item
	next  *chunk
}

// bucket is a list of chunks, which are full but for the final one. That has n items.
type bucket struct {
	first, final *chunk
	n            int
}

func (q *radix) init() {
	own := make([]chunk, levels*digits+1)
	q.due.keep(&own[levels*digits])
	for level := range q.buckets {
		for digit := range q.buckets[level] {
			q.buckets[level][digit].keep(&own[level*digits+digit])
		}
	}
}

// keep makes a bucket empty, with a chunk.
func (b *bucket) keep(c *chunk) { b.first, b.final, b.n = c, c, 0 }

// reserve makes spare chunks for n items however they lie. Besides full ones that is one for the first chunk of due, which is partly
// popped, one for that of a bucket that is being spread, and one for a bucket that is being swept.
func (q *radix) reserve(n int) {
	for range n/chunkItems + 3 {
		q.release(new(chunk))
	}
}

// push adds an item that is not before last.
func (q *radix) push(it item) {
	q.size++
	q.put(it)
}

func (q *radix) put(it item) {
	b := &q.due
	if differs := it.at ^ q.last; differs != 0 {
		level := uint(bits.Len64(differs)-1) / digitBits
		digit := it.at >> (level * digitBits) % digits
		q.filled[level] |= 1 << digit
		q.occupied |= 1 << level
		b = &q.buckets[level][digit]
	}
	b.push(q, it)
}

func (b *bucket) push(q *radix, it item) {
	if b.n == chunkItems {
		q.extend(b)
	}
	b.final.items[b.n] = it
	b.n++
}

func (q *radix) extend(b *bucket) {
	c := q.take()
	b.final.next = c
	b.final, b.n = c, 0
}

// take returns a spare chunk.
func (q *radix) take() *chunk {
	c := q.spare
	if c == nil {
		return new(chunk)
	}
	q.spare, c.next = c.next, nil
	return c
}

// release makes a chunk spare and returns the one that followed.
func (q *radix) release(c *chunk) (next *chunk) {
	next, c.next = c.next, q.spare
	q.spare = c
	return next
}

// pop takes the earliest item that is due before a time, and moves last to it. Without one it changes nothing: what is pushed
// afterwards may be earlier than what is waiting.
func (q *radix) pop(before uint64) (item, bool) {
	if q.due.n == 0 && !q.advance(before) || q.last >= before {
		return item{}, false
	}
	c := q.due.first
	it := c.items[q.head]
	q.head++
	q.size--
	switch {
	case c == q.due.final:
		if q.head == q.due.n {
			q.due.n, q.head = 0, 0
		}
	case q.head == chunkItems:
		q.due.first, q.head = q.release(c), 0
	}
	return it, true
}

// advance moves last to the earliest time, if that is before a time, and spreads its bucket over due and the lower levels.
func (q *radix) advance(before uint64) bool {
	if q.occupied == 0 {
		return false
	}
	level := bits.TrailingZeros16(q.occupied)
	digit := bits.TrailingZeros64(q.filled[level])
	b := &q.buckets[level][digit]
	alone := level == 0 || b.first == b.final && b.n == 1 // all of it has the same time
	earliest := b.first.items[0].at
	if !alone {
		for c := b.first; c != nil; c = c.next {
			for i := range b.in(c) {
				earliest = min(earliest, c.items[i].at)
			}
		}
	}
	if earliest >= before {
		return false
	}
	q.last = earliest
	if q.filled[level] &^= 1 << digit; q.filled[level] == 0 {
		q.occupied &^= 1 << level
	}
	if alone {
		q.due, *b = *b, q.due
		return true
	}
	c := b.first
	for ; c != b.final; c = q.release(c) {
		for i := range c.items {
			q.put(c.items[i])
		}
	}
	for i := range b.n {
		q.put(c.items[i])
	}
	b.keep(c)
	return true
}

// in is the number of items in a chunk of the bucket.
func (b *bucket) in(c *chunk) int {
	if c == b.final {
		return b.n
	}
	return chunkItems
}

// sweep takes out the items for which drop is true, and keeps the order of the others.
func (q *radix) sweep(drop func(item) bool) {
	q.sift(&q.due, q.head, drop)
	q.head = 0
	for level := range q.buckets {
		for filled := q.filled[level]; filled != 0; filled &= filled - 1 {
			digit := bits.TrailingZeros64(filled)
			if b := &q.buckets[level][digit]; !q.sift(b, 0, drop) {
				q.filled[level] &^= 1 << digit
			}
		}
		if q.filled[level] == 0 {
			q.occupied &^= 1 << level
		}
	}
}

// sift is sweep for a bucket, whose items begin at a place in its first chunk. It returns whether any are left.
func (q *radix) sift(b *bucket, from int, drop func(item) bool) bool {
	taken := *b
	b.keep(q.take())
	for c := taken.first; c != nil; c = q.release(c) {
		for _, it := range c.items[from:taken.in(c)] {
			if drop(it) {
				q.size--
			} else {
				b.push(q, it)
			}
		}
		from = 0
	}
	return b.n > 0
}
