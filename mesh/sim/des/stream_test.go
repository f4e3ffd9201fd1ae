package des

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func draws(r *rand.Rand) [3]uint64 { return [3]uint64{r.Uint64(), r.Uint64(), r.Uint64()} }

func TestAStreamDependsOnItsNameAndSeedOnly(t *testing.T) {
	a, b := Stream(1, "a"), Stream(1, "b")
	first := draws(a)
	require.Equal(t, draws(Stream(1, "b")), draws(b), "what was drawn from another stream does not matter")
	require.Equal(t, first, draws(Stream(1, "a")))
	require.NotEqual(t, first, draws(Stream(1, "b")))
	require.NotEqual(t, first, draws(Stream(2, "a")))
}
