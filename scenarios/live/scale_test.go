package live

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/scenarios/spec"
)

// Platforms on which instances take long to come are told how many will, those included that come back.
func TestAddedCountsWhatComesAndWhatComesBack(t *testing.T) {
	scale := func(at, lasts time.Duration, workload string, replicas int) spec.Item {
		return spec.Item{At: spec.Duration(at), For: spec.Duration(lasts), Scale: &spec.Scale{Workload: workload, Replicas: replicas}}
	}
	have := map[string]int{"web": 1, "late": 0, "old": 2}
	require.Equal(t, map[string]int{"web": 2 + 3, "late": 1, "old": 2}, added([]spec.Item{
		scale(5*time.Second, 0, "web", 4), // after it went down to one
		scale(1*time.Second, 0, "web", 3),
		scale(3*time.Second, 0, "web", 1),
		{At: spec.Duration(2 * time.Second), Name: "phase"},
		scale(2*time.Second, 0, "late", 1),
		scale(2*time.Second, time.Second, "old", 0), // and back to two
	}, have))
	require.Equal(t, map[string]int{"web": 1, "late": 0, "old": 2}, have)
}
