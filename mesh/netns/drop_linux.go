package netns

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// dropTable has a chain for each name given to Drop.
const dropTable = "squall-drops"

// dropScale is how finely a share of packets can be told: in hundredths of a per cent.
const dropScale = 10_000

// Drop lets a share of the packets that come from an address get lost, in per cent, each by chance; 100 is all of them. Undrop ends it
// by its name.
func (n *Namespace) Drop(name string, from netip.Addr, percent float64) error {
	return n.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return fmt.Errorf("packet filter: %w", err)
		}
		table := conn.AddTable(&nftables.Table{Name: dropTable, Family: nftables.TableFamilyIPv4})
		chain := conn.AddChain(&nftables.Chain{
			Name: name, Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
		})
		rule := &nftables.Rule{Table: table, Chain: chain, Exprs: source(from)}
		if percent < 100 {
			rule.Exprs = append(rule.Exprs,
				&expr.Numgen{Register: 1, Modulus: dropScale, Type: unix.NFT_NG_RANDOM},
				&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
				&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: binaryutil.BigEndian.PutUint32(uint32(math.Round(percent / 100 * dropScale)))})
		}
		rule.Exprs = append(rule.Exprs, &expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop})
		conn.AddRule(rule)
		if err := conn.Flush(); err != nil {
			return fmt.Errorf("the packet filter takes no rule that drops: %w", err)
		}
		return nil
	})
}

// Undrop ends a Drop, and counts the packets that got lost.
func (n *Namespace) Undrop(name string) (packets uint64, err error) {
	err = n.Do(func() error {
		conn, err := nftables.New()
		if err != nil {
			return fmt.Errorf("packet filter: %w", err)
		}
		table := &nftables.Table{Name: dropTable, Family: nftables.TableFamilyIPv4}
		chain := &nftables.Chain{Name: name, Table: table}
		rules, err := conn.GetRules(table, chain)
		if err != nil {
			return fmt.Errorf("rules of the packet filter: %w", err)
		}
		for _, r := range rules {
			for _, e := range r.Exprs {
				if c, ok := e.(*expr.Counter); ok {
					packets += c.Packets
				}
			}
		}
		conn.FlushChain(chain)
		conn.DelChain(chain)
		return conn.Flush()
	})
	return packets, err
}
