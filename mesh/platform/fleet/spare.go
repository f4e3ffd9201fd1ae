package fleet

import "github.com/squallmesh/squall/mesh/diag"

// planSpares says which pods are run ahead of their time: a pod takes seconds to come, and the processes in it do not. Their agents wait, and
// nobody knows of them until Add.
func (l *Lab) planSpares(problems *diag.List) {
	for owner, more := range l.spec.Added {
		t, ok := l.templates[owner]
		if !ok {
			continue // Add says so
		}
		for n := range more {
			if m := l.member(t.Named(t.Replicas+n), problems); m != nil {
				m.NotReady = true
				l.spares[m.Name] = m
			}
		}
	}
}

// takeSpare gives the pod that was run for an instance; nil if there is none.
func (l *Lab) takeSpare(name string) *member {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.spares[name]
	delete(l.spares, name)
	return m
}
