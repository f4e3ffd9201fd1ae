package authz

import (
	"net/netip"
	"net/textproto"
	"strings"
)

// Request is a request, or a TCP connection, as the workload's proxy sees it.
type Request struct {
	// Principal is the peer's identity, spiffe://..., or empty without mTLS.
	Principal string
	// SourceIP is the peer's address, RemoteIP the client's; a zero one is in no block.
	SourceIP, RemoteIP netip.Addr
	// DestinationIP and DestinationPort are where the connection went, at the workload.
	DestinationIP   netip.Addr
	DestinationPort uint32
	// SNI is the server name of TLS.
	SNI string
	// TCP says that there are no requests: what only HTTP has is not there.
	TCP bool
	// Method, Host (with its port, as it was sent) and Path (with its query).
	Method, Host, Path string
	// Header by name, in any case.
	Header map[string][]string
	// Claims of a valid token; nil without.
	Claims map[string]any
}

func (r *Request) header(name string) (string, bool) {
	switch strings.ToLower(name) {
	case ":method":
		return r.Method, true
	case ":authority", "host":
		return r.Host, true
	case ":path":
		return r.Path, true
	}
	var values []string
	found := false
	for k, v := range r.Header { // of one name there is one entry
		if strings.EqualFold(textproto.TrimString(k), name) {
			found = true
			values = append(values, v...)
		}
	}
	return strings.Join(values, ","), found
}

func (r *Request) plainPath() string {
	path, _, _ := strings.Cut(r.Path, "?")
	path, _, _ = strings.Cut(path, "#")
	return path
}
