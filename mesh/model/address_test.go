package model_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
)

func TestEveryServiceHasAnAddressOfItsOwn(t *testing.T) {
	block := netip.MustParsePrefix(model.ServiceBlock)
	var hosts []string
	for i := range 4094 {
		hosts = append(hosts, fmt.Sprintf("s%d.default.svc.cluster.local", i))
	}
	got := model.ServiceAddresses(hosts, nil)
	require.Len(t, got, len(hosts), "the block has room for 4,094")
	seen := map[string]bool{}
	for host, a := range got {
		require.True(t, block.Contains(netip.MustParseAddr(a)), "%s of %s", a, host)
		require.False(t, seen[a], "%s is given twice", a)
		seen[a] = true
	}
	require.NotContains(t, seen, "198.18.32.0")
	require.NotContains(t, seen, "198.18.47.255")
}

// A restarted control plane learns of services in another order, and of all at once.
func TestAddressesDependOnTheSetOfHostsAlone(t *testing.T) {
	a := model.ServiceAddresses([]string{"ratings", "reviews", "details"}, nil)
	require.Equal(t, a, model.ServiceAddresses([]string{"details", "ratings", "reviews", "ratings"}, nil))
	more := model.ServiceAddresses([]string{"ratings", "reviews", "details", "productpage"}, nil)
	for host, address := range a {
		require.Equal(t, address, more[host])
	}
}

func TestATakenAddressIsNotGiven(t *testing.T) {
	first := model.ServiceAddresses([]string{"ratings"}, nil)["ratings"]
	second := model.ServiceAddresses([]string{"ratings"}, map[string]bool{first: true})["ratings"]
	require.NotEmpty(t, second)
	require.NotEqual(t, first, second)
}
