package loadgen

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
)

// benchmarking is RFC 2544's range, in which networks made for tests lie.
var benchmarking = netip.MustParsePrefix("198.18.0.0/15")

// guard refuses addresses outside of the laboratory; it sees them after names are resolved.
func guard(network, address string, _ syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := at.Addr().Unmap(); ip.IsLoopback() || benchmarking.Contains(ip) {
		return nil
	}
	return fmt.Errorf("load is not sent to %s: it is neither a loopback address nor in %s", address, benchmarking)
}

// idleConnections is how many are kept for reuse if there is no bound.
const idleConnections = 10_000

// transports of a load: several only for HTTP/2, where one would keep one connection.
func (l *Load) dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	if l.Dial != nil {
		return l.Dial
	}
	return (&net.Dialer{Control: guard}).DialContext
}

func (l *Load) transports() []*http.Transport {
	dial := l.dialer()
	n := 1
	var protocols http.Protocols
	if l.HTTP2 || l.GRPC {
		n = max(1, l.Connections)
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP1(true)
	}
	all := make([]*http.Transport, n)
	for i := range all {
		t := &http.Transport{
			DialContext: dial, Protocols: &protocols, DisableCompression: true, DisableKeepAlives: l.NoKeepAlive,
			MaxIdleConnsPerHost: idleConnections, TLSClientConfig: l.TLS,
		}
		if !l.HTTP2 && !l.GRPC && l.Connections > 0 {
			t.MaxConnsPerHost, t.MaxIdleConnsPerHost = l.Connections, l.Connections
		}
		all[i] = t
	}
	return all
}
