package live

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/scenarios/spec"
)

// Nothing is undone before the phases of all that ends at the same time are over; what ends later, or may never happen, is not waited for.
func TestItemsThatEndAtTheSameTimeEndTogether(t *testing.T) {
	at := func(from, lasts time.Duration) spec.Item {
		return spec.Item{At: spec.Duration(from), For: spec.Duration(lasts), Hold: &spec.Hold{}}
	}
	held, phase, later, perhaps := at(0, 3*time.Second), at(time.Second, 2*time.Second), at(0, 4*time.Second), at(2*time.Second, time.Second)
	perhaps.Unless = []string{"phase"}
	f := &spec.File{}
	f.Spec.Timeline = []spec.Item{held, phase, later, perhaps}
	e := newEnds(f)
	first := make(chan error, 1)
	go func() { first <- e.arrive(t.Context(), held, 3*time.Second) }()
	require.NoError(t, e.arrive(t.Context(), perhaps, 3*time.Second))
	select {
	case err := <-first:
		t.Fatalf("what was held is let go while a phase lasts: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	require.NoError(t, e.arrive(t.Context(), phase, 3*time.Second))
	require.NoError(t, <-first)

	over, cancel := context.WithCancel(t.Context())
	cancel()
	e = newEnds(f)
	require.ErrorIs(t, e.arrive(over, held, 3*time.Second), context.Canceled, "a run that is ended waits for nobody")
}
