package netns

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Capture says where the kernel redirects TCP connections.
type Capture struct {
	// Outbound is the port to which the connections that the namespace's programs begin go, Inbound that for those which come from
	// outside of it.
	Outbound, Inbound uint16
	// Source is the address from which the sidecar calls its own app.
	Source netip.Addr
	// PassInbound are ports to which connections from outside go directly; PassOutbound addresses to which those of programs do.
	PassInbound  []uint16
	PassOutbound []netip.Addr
	// User is the sidecar's, by whom its own traffic is known; 0: by its mark.
	User uint32
}

// Capture redirects the namespace's TCP connections as Istio's init container does, by the mark of the sidecar's own (see Mark) in
// place of its user id. Source: istio/istio, tools/istio-iptables.
func (n *Namespace) Capture(c Capture) error { return n.Do(c.Install) }

// Install redirects the connections of the network namespace in which the program is.
func (c Capture) Install() error {
	conn, err := nftables.New()
	if err != nil {
		return fmt.Errorf("packet filter: %w", err)
	}
	table := conn.AddTable(&nftables.Table{Name: "squall", Family: nftables.TableFamilyIPv4})
	chain := func(name string, hook *nftables.ChainHook) func(...[]expr.Any) {
		ch := conn.AddChain(&nftables.Chain{
			Name: name, Table: table, Type: nftables.ChainTypeNAT, Hooknum: hook, Priority: nftables.ChainPriorityNATDest,
		})
		return func(parts ...[]expr.Any) {
			rule := &nftables.Rule{Table: table, Chain: ch}
			for _, p := range parts {
				rule.Exprs = append(rule.Exprs, p...)
			}
			conn.AddRule(rule)
		}
	}
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	own := marked()
	if c.User != 0 {
		own = byUser(c.User)
	}

	out := chain("output", nftables.ChainHookOutput)
	out(toLoopback(), source(c.Source), pass())
	// The sidecar calls a service, and the answer is its own pod.
	out(toLoopback(), destination(loopback, expr.CmpOpNeq), own, redirect(c.Inbound))
	out(toLoopback(), pass())
	out(own, asApp(), redirect(c.Outbound))
	out(own, pass())
	out(destination(loopback, expr.CmpOpEq), pass())
	for _, a := range c.PassOutbound {
		out(destination(netip.PrefixFrom(a, 32), expr.CmpOpEq), pass())
	}
	out(redirect(c.Outbound))

	in := chain("prerouting", nftables.ChainHookPrerouting)
	for _, p := range c.PassInbound {
		in(toPort(p), pass())
	}
	in(redirect(c.Inbound))
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("the packet filter takes no rules: %w", err)
	}
	return nil
}

func toLoopback() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: append([]byte("lo"), make([]byte, unix.IFNAMSIZ-2)...)},
	}
}

func marked() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(Mark)},
	}
}

func byUser(id uint32) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeySKUID, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.NativeEndian.PutUint32(id)},
	}
}

func asApp() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offsetService, Len: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{AppService}},
	}
}

// The offsets of the type of service and of addresses in an IPv4 header (RFC 791), in bytes.
const (
	offsetService     = 1
	offsetSource      = 12
	offsetDestination = 16
)

func source(a netip.Addr) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offsetSource, Len: 4},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: a.AsSlice()},
	}
}

func destination(p netip.Prefix, op expr.CmpOp) []expr.Any {
	mask := make([]byte, 4)
	for i := range p.Bits() {
		mask[i/8] |= 1 << (7 - i%8)
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offsetDestination, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: mask, Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: 1, Data: p.Masked().Addr().AsSlice()},
	}
}

func tcp() []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
	}
}

func toPort(port uint16) []expr.Any {
	return append(tcp(),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)})
}

func pass() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }

func redirect(port uint16) []expr.Any {
	return append(tcp(),
		&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
		&expr.Redir{RegisterProtoMin: 1})
}
