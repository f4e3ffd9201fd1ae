package sim

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/squallmesh/squall/mesh/model"
)

// ring finds the host of a hash, for consistent hashing.
type ring struct {
	hosts []*host
	// points of a hash ring, by their hash; table of Maglev has a host's index in each place.
	points []point
	table  []uint32
}

type point struct {
	hash uint64
	host uint32
}

func (c *cluster) newRing(list []*host) *ring {
	if len(list) == 0 {
		return &ring{}
	}
	hash := c.policy.LoadBalancer.Hash
	if c.lbPolicy() == model.Maglev {
		return maglev(list, hash.TableSize)
	}
	return ketama(list, hash.MinimumRingSize)
}

// host of a hash; nil without hosts.
func (r *ring) host(hash uint64) *host {
	switch {
	case len(r.hosts) == 0:
		return nil
	case r.table != nil:
		return r.hosts[r.table[hash%uint64(len(r.table))]]
	}
	i, _ := slices.BinarySearchFunc(r.points, hash, func(p point, h uint64) int {
		if p.hash < h {
			return -1
		}
		return 1
	})
	return r.hosts[r.points[i%len(r.points)].host]
}

// maxRing is Envoy's limit.
const maxRing = 8 << 20

// ketama spreads points of each host on a ring: the xxHash64 of address_0, address_1 and so on. Source: Envoy's RingHashLoadBalancer.
func ketama(list []*host, size uint64) *ring {
	if size == 0 {
		size = 1024
	}
	weights := normalized(list)
	least := slices.Min(weights)
	scale := min(math.Ceil(least*float64(size))/least, maxRing)
	r := &ring{hosts: list}
	current, target := 0., 0.
	for i, h := range list {
		target += scale * weights[i]
		for n := 0; current < target; n++ {
			r.points = append(r.points, point{xxhash.Sum64String(h.address + "_" + strconv.Itoa(n)), uint32(i)})
			current++
		}
	}
	slices.SortStableFunc(r.points, func(a, b point) int {
		if a.hash < b.hash {
			return -1
		}
		return 1
	})
	return r
}

// maglev fills a table in turns, each host at the next free place of its own permutation. Source: Eisenbud and others, "Maglev: A fast and
// reliable software network load balancer" (2016), listing 1, with weights as Envoy's MaglevTable has them.
func maglev(list []*host, size uint64) *ring {
	if size == 0 {
		size = 65537
	}
	hosts := byAddress(list)
	weights := normalized(hosts)
	most := slices.Max(weights)
	r := &ring{hosts: hosts, table: make([]uint32, size)}
	taken := make([]bool, size)
	type entry struct{ at, skip uint64 }
	entries := make([]entry, len(hosts))
	targets := make([]float64, len(hosts))
	for i, h := range hosts {
		seeded := xxhash.NewWithSeed(1)
		_, _ = seeded.WriteString(h.address) // never fails
		entries[i] = entry{at: xxhash.Sum64String(h.address) % size, skip: seeded.Sum64()%(size-1) + 1}
	}
	for filled, turn := uint64(0), 1.; filled < size; turn++ {
		for i := 0; i < len(entries) && filled < size; i++ {
			if turn*weights[i] < targets[i] {
				continue
			}
			targets[i] += most
			e := &entries[i]
			for taken[e.at] {
				e.at = (e.at + e.skip) % size
			}
			r.table[e.at], taken[e.at] = uint32(i), true
			e.at = (e.at + e.skip) % size
			filled++
		}
	}
	return r
}

// normalized weights sum to 1.
func normalized(list []*host) []float64 {
	sum := 0.
	for _, h := range list {
		sum += float64(h.weight)
	}
	out := make([]float64, len(list))
	for i, h := range list {
		out[i] = float64(h.weight) / sum
	}
	return out
}

// hashOf is what a route hashes of a request; nil if there is nothing. It may give the request a cookie.
func (s *stream) hashOf(policy *model.HashPolicy) *uint64 {
	m := s.proxy.mesh
	x := &m.message(s.message).Request
	sum := func(text string) *uint64 {
		h := xxhash.Sum64String(text)
		return &h
	}
	switch {
	case policy.Header != "":
		if strings.EqualFold(policy.Header, "x-request-id") {
			return sum(s.root.requestID())
		}
		if v, ok := x.Header(policy.Header); ok {
			return sum(v)
		}
	case policy.QueryParam != "":
		if v, ok := x.Query(policy.QueryParam); ok {
			return sum(v)
		}
	case policy.SourceIP:
		address, _, _ := strings.Cut(s.remote(), ":")
		return sum(address)
	case policy.Cookie != nil:
		if v := cookie(x.Headers, policy.Cookie.Name); v != "" {
			return sum(v)
		}
		if policy.Cookie.TTL != nil {
			s.cookie = policy.Cookie
			return sum(s.cookieValue())
		}
	}
	return nil
}

// cookie finds one among the headers of a request, without quotes.
func cookie(headers []model.Header, name string) string {
	for _, h := range headers {
		if h.Name != "cookie" {
			continue
		}
		for pair := range strings.SplitSeq(h.Value, ";") {
			if k, v, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && k == name {
				return strings.Trim(v, `"`)
			}
		}
	}
	return ""
}

// cookieValue is what a proxy makes of the two ends of the caller's connection.
func (s *stream) cookieValue() string {
	return strconv.FormatUint(xxhash.Sum64String(s.remote()+s.local()), 16)
}

// setCookie is the header that gives a cookie to a caller without one.
func (s *stream) setCookie() string {
	c := s.cookie
	out := c.Name + `="` + s.cookieValue() + `"`
	if c.TTL != nil && *c.TTL > 0 {
		out += "; Max-Age=" + strconv.FormatInt(int64(c.TTL.Seconds()), 10)
	}
	if c.Path != "" {
		out += "; Path=" + c.Path
	}
	return out + "; HttpOnly"
}
