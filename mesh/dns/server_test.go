package dns_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	mesh "github.com/squallmesh/squall/mesh/dns"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start answers for one name, and gives the server's addresses by their networks.
func start(t *testing.T) (*mesh.Server, map[string]string) {
	t.Helper()
	var lc net.ListenConfig
	udp, err := lc.ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	require.NoError(t, err)
	tcp, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	s := mesh.Serve(udp, tcp, func(_ context.Context, host string) (netip.Addr, bool) {
		return netip.MustParseAddr("198.18.32.7"), strings.EqualFold(host, "ratings.default.svc.cluster.local")
	})
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, map[string]string{"udp": udp.LocalAddr().String(), "tcp": tcp.Addr().String()}
}

func ask(t *testing.T, at map[string]string, network, name string, kind uint16) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: network}
	got, _, err := c.ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(name, kind), at[network])
	require.NoError(t, err)
	return got
}

func TestANameLeadsToItsAddress(t *testing.T) {
	_, at := start(t)
	for _, network := range []string{"udp", "tcp"} {
		for _, name := range []string{"ratings.default.svc.cluster.local.", "RATINGS.default.svc.cluster.local."} {
			got := ask(t, at, network, name, dns.TypeA)
			require.Equal(t, dns.RcodeSuccess, got.Rcode)
			require.Len(t, got.Answer, 1)
			require.Equal(t, "198.18.32.7", got.Answer[0].(*dns.A).A.String())
		}
		// A resolver that gets an error for IPv6 would take the name for none.
		six := ask(t, at, network, "ratings.default.svc.cluster.local.", dns.TypeAAAA)
		require.Equal(t, dns.RcodeSuccess, six.Rcode)
		require.Empty(t, six.Answer)
		require.Equal(t, dns.RcodeNameError, ask(t, at, network, "nobody.default.svc.cluster.local.", dns.TypeA).Rcode)
	}
}

func TestQuestionsCanBeMadeToFail(t *testing.T) {
	s, at := start(t)
	s.Refuse(true)
	require.Equal(t, dns.RcodeServerFailure, ask(t, at, "udp", "ratings.default.svc.cluster.local.", dns.TypeA).Rcode)
	require.EqualValues(t, 1, s.Refused())
	s.Refuse(false)
	require.Equal(t, dns.RcodeSuccess, ask(t, at, "udp", "ratings.default.svc.cluster.local.", dns.TypeA).Rcode)
	require.EqualValues(t, 1, s.Refused())
}
