package eval

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// virtualHost finds the virtual host for an authority: an exact domain, else the longest *.suffix, else the longest prefix.*,
// else "*". Names know no case. Source: VirtualHost.domains in Envoy's config.route.v3.
func virtualHost(rc *routev3.RouteConfiguration, authority string) (vh *routev3.VirtualHost, domain string) {
	host := strings.ToLower(authority)
	if rc.GetIgnorePortInHostMatching() {
		host, _, _ = cutPort(host)
	}
	best := 0
	for _, candidate := range rc.GetVirtualHosts() {
		for _, d := range candidate.GetDomains() {
			if rank := domainRank(strings.ToLower(d), host); rank > best {
				best, vh, domain = rank, candidate, d
			}
		}
	}
	return vh, domain
}

// domainRank is 0 if the domain does not hold for the host, and else higher the earlier Envoy takes it.
func domainRank(domain, host string) int {
	const kind = 1 << 16 // no domain is as long
	switch {
	case domain == "*":
		return 1
	case domain == host:
		return 4 * kind
	case strings.HasPrefix(domain, "*"):
		if len(host) >= len(domain) && strings.HasSuffix(host, domain[1:]) {
			return 3*kind + len(domain)
		}
	case strings.HasSuffix(domain, "*"):
		if len(host) >= len(domain) && strings.HasPrefix(host, domain[:len(domain)-1]) {
			return 2*kind + len(domain)
		}
	}
	return 0
}
