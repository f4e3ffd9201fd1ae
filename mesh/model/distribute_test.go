package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
)

func TestSharesGoToThePlacesThatTheyName(t *testing.T) {
	here := model.Locality{Region: "r1", Zone: "z1"}
	lb := &model.LocalityLB{Distribute: []model.Distribute{{From: "r1/z1", To: []model.LocalityWeight{{Locality: "r1/z1", Weight: 70}, {Locality: "r1", Weight: 20}, {Locality: "r2", Weight: 10}}}}}
	d := lb.DistributeFrom(here)
	require.NotNil(t, d)
	require.Nil(t, lb.DistributeFrom(model.Locality{Region: "r2", Zone: "z1"}))
	places := []model.Locality{here, {Region: "r1", Zone: "z2"}, {Region: "r1", Zone: "z3"}, {Region: "r2", Zone: "z1"}, {Region: "r3"}}
	require.Equal(t, []uint32{70, 5, 15, 10, 0}, d.Weights(places, []uint32{3, 1, 3, 2, 8}), "by their weights; once for each; none for who is not named")
	lb.Disabled = true
	require.Nil(t, lb.DistributeFrom(here))
}
