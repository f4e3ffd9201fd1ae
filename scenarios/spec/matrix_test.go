package spec

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVariants(t *testing.T) {
	var f File
	f.Metadata.Name = "breakers"
	require.Equal(t, "istio", f.Variants()[0].Profile())
	f.Spec.Matrix = &Matrix{Profile: []string{"exact", "istio"}}
	v := f.Variants()
	require.Len(t, v, 2)
	require.Equal(t, []string{"breakers", "exact"}, []string{v[0].Metadata.Name, v[0].Profile()})
	require.Equal(t, []string{"breakers-istio", "istio"}, []string{v[1].Metadata.Name, v[1].Profile()})
	require.Empty(t, f.Spec.Envoy.Profile, "the file itself is as it was read")
}
