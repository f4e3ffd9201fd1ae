package sim

// slot is what things in a pool have.
type slot struct {
	id uint32
	// refs is how many events, and things that outlive it, still name it. It is free for others when it is over and nothing names it.
	refs int32
	over bool
}

func (s *slot) self() *slot { return s }

// idle is the refs of a thing that is free.
const idle = -1

// slotted is a thing with a slot.
type slotted[T any] interface {
	*T
	self() *slot
}

// pool keeps things of one type for use again, by small numbers.
type pool[T any] struct {
	all  []*T
	free []*T
}

// of gives the thing with a number.
func (p *pool[T]) of(id uint32) *T { return p.all[id] }

// chunk is how many things are made at a time.
const chunk = 64

// take gives a thing to use; its fields are as they were left, which its user sets.
func take[T any, P slotted[T]](p *pool[T]) *T {
	if len(p.free) == 0 {
		fresh := make([]T, chunk)
		for i := range fresh {
			x := &fresh[chunk-1-i]
			*P(x).self() = slot{id: uint32(len(p.all)), refs: idle}
			p.all = append(p.all, x)
			p.free = append(p.free, x)
		}
	}
	x := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return x
}

// let frees a thing that is over once nothing names it any more.
func let[T any, P slotted[T]](p *pool[T], x *T) {
	s := P(x).self()
	if s.over && s.refs == 0 {
		s.refs = idle
		p.free = append(p.free, x)
	}
}
