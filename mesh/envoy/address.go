package envoy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

const unixScheme = "unix://"

// maxSocketPath is the length in bytes that the path of a Unix socket may have: sun_path less its final NUL.
func maxSocketPath() int {
	if runtime.GOOS == "linux" {
		return 107
	}
	return 103
}

// CheckSocketPath returns an error if path is too long for a Unix socket on this system, or not absolute.
func CheckSocketPath(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("the Unix socket %q needs an absolute path", path)
	}
	if n := len(path); n > maxSocketPath() {
		return fmt.Errorf("the path of the Unix socket %s has %d bytes, the system allows %d: choose a shorter folder (TMPDIR)", path, n, maxSocketPath())
	}
	return nil
}

// address is a parsed "unix:///path" or "host:port".
type address struct {
	path string // of a Unix socket, or empty
	host string
	port uint32
}

func parseAddress(s string) (address, error) {
	if path, ok := strings.CutPrefix(s, unixScheme); ok {
		return address{path: path}, CheckSocketPath(path)
	}
	host, port, err := net.SplitHostPort(s)
	if wrong, ok := errors.AsType[*net.AddrError](err); ok {
		return address{}, fmt.Errorf("address %q: %s: write host:port or unix:///path", s, wrong.Err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return address{}, fmt.Errorf("address %q: the port: %w", s, err)
	}
	if host == "" {
		return address{}, fmt.Errorf("address %q has no host: write host:port or unix:///path", s)
	}
	return address{host: host, port: uint32(n)}, nil
}

// isName tells whether the host must be resolved.
func (a address) isName() bool {
	if a.path != "" {
		return false
	}
	_, err := netip.ParseAddr(a.host)
	return err != nil
}

// proto renders the address. Sockets that Envoy makes are for the user alone.
func (a address) proto() *corev3.Address {
	if a.path != "" {
		return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: a.path, Mode: 0o600}}}
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: socketAddress(a.host, a.port)}}
}

func socketAddress(host string, port uint32) *corev3.SocketAddress {
	return &corev3.SocketAddress{Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port}}
}
