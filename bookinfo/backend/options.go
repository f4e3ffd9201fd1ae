package backend

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The names of the ports.
const (
	HTTP  = "http"
	HTTP2 = "http2"
	GRPC  = "grpc"
	TCP   = "tcp"
	// HTTPS is there with Options.Certificate alone.
	HTTPS = "https"
)

// DefaultPorts returns the port numbers by name.
func DefaultPorts() map[string]int {
	return map[string]int{HTTP: 8080, HTTP2: 8081, GRPC: 8082, TCP: 8083, HTTPS: 8443}
}

// portNames in the order in which they are opened.
func portNames() []string { return []string{HTTP, HTTP2, GRPC, TCP, HTTPS} }

// Options configures a backend.
type Options struct {
	// Host is the address to serve on; "*" is every address of the machine. Required.
	Host string
	// Ports replaces port numbers by name; 0 lets the kernel choose. Those not named have their default.
	Ports map[string]int
	// Control is the path of the control socket, made with mode 0600. Empty: no control.
	Control string
	// Certificate is a certificate, its chain and its key in PEM, for the port https. Empty: the port stays closed.
	Certificate string
	// ClientCA are authorities in PEM: callers of the port https must show a certificate that leads to one. Empty: none is asked
	// for.
	ClientCA string
	// Workload, Pod and Version are reported in every answer. Empty: "backend", the workload's name, "v1".
	Workload, Pod, Version string
	// Grace is how long answers being written may take once the context is cancelled. Requests that are held, delayed
	// or hanging then end at once, without an answer. Zero: 2 s.
	Grace time.Duration
	// MaxRequestIDs bounds the pairs of request id and attempt that are remembered; later ones are not told apart, and
	// [State].Omitted counts them. Zero: 100,000.
	MaxRequestIDs int
}

func (o Options) withDefaults() (Options, error) {
	if o.Host == "" {
		return o, errors.New("no host to listen on")
	}
	ports := DefaultPorts()
	for _, name := range slices.Sorted(maps.Keys(o.Ports)) {
		if _, ok := ports[name]; !ok {
			return o, unknownPort(name)
		}
		if n := o.Ports[name]; n < 0 || n > 65535 {
			return o, fmt.Errorf("port %s: %d is not a port number", name, n)
		}
		ports[name] = o.Ports[name]
	}
	o.Ports = ports
	o.Workload = cmp.Or(o.Workload, "backend")
	o.Pod = cmp.Or(o.Pod, o.Workload)
	o.Version = cmp.Or(o.Version, "v1")
	o.Grace = cmp.Or(o.Grace, 2*time.Second)
	o.MaxRequestIDs = cmp.Or(o.MaxRequestIDs, 100_000)
	return o, nil
}

func unknownPort(name string) error {
	return fmt.Errorf("no port %q (there are %s)", name, strings.Join(portNames(), ", "))
}

// ParseListen reads HOST[,NAME=PORT]..., such as "127.0.0.2" or "127.0.0.2,http=0,grpc=18082", into a host and the ports
// named. The host "*" stands for every address.
func ParseListen(s string) (host string, ports map[string]int, err error) {
	parts := strings.Split(s, ",")
	if parts[0] == "" {
		return "", nil, fmt.Errorf("address %q: want HOST[,NAME=PORT] with any number of ports", s)
	}
	ports = map[string]int{}
	for _, p := range parts[1:] {
		name, number, ok := strings.Cut(p, "=")
		n, bad := strconv.Atoi(number)
		if !ok || bad != nil || n < 0 || n > 65535 {
			return "", nil, fmt.Errorf("address %q: %q is not NAME=PORT", s, p)
		}
		if !slices.Contains(portNames(), name) {
			return "", nil, fmt.Errorf("address %q: %w", s, unknownPort(name))
		}
		ports[name] = n
	}
	return parts[0], ports, nil
}
