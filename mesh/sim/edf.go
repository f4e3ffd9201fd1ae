package sim

// edf schedules entries by earliest deadline first, so that each is picked in proportion to its weight and spread evenly.
// Source: Envoy's EdfScheduler.
type edf struct {
	now     float64
	order   uint64
	entries []edfEntry // a binary heap
}

type edfEntry struct {
	deadline float64
	order    uint64
	index    uint32
}

func (a edfEntry) before(b edfEntry) bool {
	if a.deadline != b.deadline {
		return a.deadline < b.deadline
	}
	return a.order < b.order
}

func (s *edf) add(index uint32, weight float64) {
	s.order++
	s.entries = append(s.entries, edfEntry{s.now + 1/weight, s.order, index})
	for i := len(s.entries) - 1; i > 0; {
		up := (i - 1) / 2
		if !s.entries[i].before(s.entries[up]) {
			break
		}
		s.entries[i], s.entries[up] = s.entries[up], s.entries[i]
		i = up
	}
}

// pick takes the entry that is due first and puts it back with the weight that it has now.
func (s *edf) pick(weight func(uint32) float64) (uint32, bool) {
	if len(s.entries) == 0 {
		return 0, false
	}
	first := s.entries[0]
	last := len(s.entries) - 1
	s.entries[0] = s.entries[last]
	s.entries = s.entries[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if s.entries[child].before(s.entries[least]) {
				least = child
			}
		}
		if least == i {
			break
		}
		s.entries[i], s.entries[least] = s.entries[least], s.entries[i]
		i = least
	}
	s.now = first.deadline
	s.add(first.index, weight(first.index))
	return first.index, true
}
