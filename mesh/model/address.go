package model

import (
	"hash/fnv"
	"net/netip"
	"slices"
)

// ServiceBlock is where services get their addresses that have none of their own (capture: redirect); it lies in the range for
// benchmarks (RFC 2544).
const ServiceBlock = "198.18.32.0/20"

// ServiceAddresses gives each host an address of ServiceBlock, none of those taken: the one that its name hashes to, or the next that
// is free. It depends on the set of hosts alone, so that a restarted control plane gives what it gave before; one more host moves
// another only where both hash alike. Hosts beyond the block's size get none.
func ServiceAddresses(hosts []string, taken map[string]bool) map[string]string {
	block := netip.MustParsePrefix(ServiceBlock)
	size := uint32(1) << (32 - block.Bits())
	sorted := slices.Clone(hosts)
	slices.Sort(sorted)
	out := make(map[string]string, len(sorted))
	used := map[uint32]bool{0: true, size - 1: true} // network and broadcast
	for _, host := range slices.Compact(sorted) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(host)) // never fails
		for try := range size {
			n := (h.Sum32() + try) % size
			if used[n] {
				continue
			}
			used[n] = true
			if a := nth(block, n); !taken[a] {
				out[host] = a
				break
			}
		}
	}
	return out
}

// nth is the n-th address of an IPv4 block.
func nth(block netip.Prefix, n uint32) string {
	a := block.Addr().As4()
	for i := 3; i >= 0; i-- {
		n += uint32(a[i])
		a[i] = byte(n)
		n >>= 8
	}
	return netip.AddrFrom4(a).String()
}
