package proc_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/proc"
)

// Whoever computes for a while on one processor, the machine was busy for at least as long, and for no longer than all of its processors.
func TestTheMachineIsBusyWhileSomebodyComputes(t *testing.T) {
	const tick = 10 * time.Millisecond
	before, n := proc.Busy()
	start := time.Now()
	require.Eventually(t, func() bool { // which computes, too
		now, _ := proc.Busy()
		return now-before >= 5*tick
	}, time.Minute, time.Millisecond)
	after, _ := proc.Busy()
	require.Positive(t, n)
	require.LessOrEqual(t, after-before, time.Duration(n)*(time.Since(start)+2*tick))
}
