package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The names of interfaces, as in a pod.
const (
	bridge = "br0"
	eth    = "eth0"
)

// Node is a network namespace with a bridge, behind which are others.
type Node struct {
	*Namespace
	address netip.Prefix
}

// NewNode makes a node whose bridge has an address, with the size of the network behind it. What is sent to other networks is
// refused at once.
func NewNode(address netip.Prefix) (*Node, error) {
	n, err := New()
	if err != nil {
		return nil, err
	}
	err = n.Do(func() error {
		link := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridge}}
		if err := netlink.LinkAdd(link); err != nil {
			return fmt.Errorf("a bridge could not be made: %w", err)
		}
		if err := addAddress(bridge, address.String()); err != nil {
			return err
		}
		if err := up(bridge); err != nil {
			return err
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
			return fmt.Errorf("routing could not be switched on: %w", err)
		}
		everything := &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}
		if err := netlink.RouteAdd(&netlink.Route{Dst: everything, Type: unix.RTN_UNREACHABLE}); err != nil {
			return fmt.Errorf("route: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return &Node{n, address}, nil
}

// Address is that of the bridge.
func (n *Node) Address() netip.Addr { return n.address.Addr() }

// Join puts a namespace behind the bridge. It gets an interface eth0 with the address, and the bridge as its way to everywhere. Name
// is of the interface at the bridge: at most 15 bytes, used once.
func (n *Node) Join(ns *Namespace, name string, address netip.Addr) error {
	err := n.Do(func() error {
		veth := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: eth, PeerNamespace: netlink.NsFd(int(ns.net.Fd())),
		}
		if err := netlink.LinkAdd(veth); err != nil {
			return fmt.Errorf("a pair of interfaces could not be made: %w", err)
		}
		br, err := netlink.LinkByName(bridge)
		if err == nil {
			err = netlink.LinkSetMaster(veth, br)
		}
		if err != nil {
			return fmt.Errorf("interface %s: %w", name, err)
		}
		return up(name)
	})
	if err != nil {
		return err
	}
	return ns.Do(func() error {
		if err := addAddress(eth, netip.PrefixFrom(address, n.address.Bits()).String()); err != nil {
			return err
		}
		if err := up(eth); err != nil {
			return err
		}
		if err := netlink.RouteAdd(&netlink.Route{Gw: n.address.Addr().AsSlice()}); err != nil {
			return fmt.Errorf("route: %w", err)
		}
		return nil
	})
}
