//go:build !linux

package netns

import (
	"context"
	"net"
	"net/netip"
)

// Namespace is there on Linux alone.
type Namespace struct{}

// Node is there on Linux alone.
type Node struct{ *Namespace }

// Capture is there on Linux alone.
type Capture struct {
	Outbound, Inbound uint16
	Source            netip.Addr
	PassInbound       []uint16
	PassOutbound      []netip.Addr
	User              uint32
}

// Install refuses.
func (Capture) Install() error { return ErrUnsupported }

// AddLoopback refuses.
func AddLoopback(netip.Prefix) error { return ErrUnsupported }

// New refuses.
func New() (*Namespace, error) { return nil, ErrUnsupported }

// NewNode refuses.
func NewNode(netip.Prefix) (*Node, error) { return nil, ErrUnsupported }

// Enter refuses.
func Enter(Entry) (int, error) {
	return 0, &RefusedError{Err: ErrUnsupported, Hint: "use --platform loopback"}
}

// Init refuses.
func Init([]string, []string) int { return 1 }

// Check refuses.
func Check() error { return ErrUnsupported }

// Do refuses.
func (*Namespace) Do(func() error) error { return ErrUnsupported }

// Close does nothing.
func (*Namespace) Close() error { return nil }

// Dial refuses.
func (*Namespace) Dial(context.Context, string, string, int) (net.Conn, error) {
	return nil, ErrUnsupported
}

// Listen refuses.
func (*Namespace) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, ErrUnsupported
}

// ListenPacket refuses.
func (*Namespace) ListenPacket(context.Context, string, string) (net.PacketConn, error) {
	return nil, ErrUnsupported
}

// Bind refuses.
func (*Namespace) Bind(string, string) error { return ErrUnsupported }

// AddAddress refuses.
func (*Namespace) AddAddress(string) error { return ErrUnsupported }

// Capture refuses.
func (*Namespace) Capture(Capture) error { return ErrUnsupported }

// Address is none.
func (*Node) Address() netip.Addr { return netip.Addr{} }

// Join refuses.
func (*Node) Join(*Namespace, string, netip.Addr) error { return ErrUnsupported }

// Drop refuses.
func (*Namespace) Drop(string, netip.Addr, float64) error { return ErrUnsupported }

// Undrop refuses.
func (*Namespace) Undrop(string) (uint64, error) { return 0, ErrUnsupported }
