package lint

import (
	"fmt"
	"strings"
	"time"
)

// Envoy's defaults of outlier detection and Istio's of connections.
const (
	defaultInterval = 10 * time.Second
)

// percentFor is the least maxEjectionPercent by which one of so many hosts can go.
func percentFor(hosts int) string { return fmt.Sprint(100 / hosts) }

// limitNeverQueues finds queues before connections that nobody waits in: for HTTP/1 http2MaxRequests bounds what is under way as
// well, and refuses before the connections are used up.
func limitNeverQueues(p *pass) {
	for _, c := range p.clusters {
		pool := c.policy.Pool
		if pool == nil || c.http2() || !c.port.Protocol.IsHTTP() {
			continue
		}
		if pool.MaxRequests > 0 && pool.MaxConnections > 0 && pool.MaxPendingRequests > 0 && pool.MaxRequests < pool.MaxConnections {
			p.report(c.at("connectionPool.http.http2MaxRequests"), "make http2MaxRequests at least maxConnections, or leave it out",
				"nobody waits for a connection to %s: http2MaxRequests bounds HTTP/1 too, and with %d requests under way the next is refused although %d connections are allowed, so that http1MaxPendingRequests %d never makes one wait",
				c.name(), pool.MaxRequests, pool.MaxConnections, pool.MaxPendingRequests)
		}
	}
}

// http2 says whether connections carry many requests at once.
func (c *cluster) http2() bool {
	return c.port.Protocol.IsHTTP2() || c.policy.Pool != nil && c.policy.Pool.H2Upgrade == "UPGRADE"
}

// shared says whether another port of the service, of the other kind of HTTP, has the same pool: a limit may be meant for that one.
func (c *cluster) shared() bool {
	for _, port := range c.service.Ports {
		if port.Protocol.IsHTTP() && port.Protocol.IsHTTP2() != c.port.Protocol.IsHTTP2() && c.rule.For(c.subset, port.Number).Pool == c.policy.Pool {
			return true
		}
	}
	return false
}

// connectionsOnHTTP2 finds limits of connections that are meant to limit requests.
func connectionsOnHTTP2(p *pass) {
	for _, c := range p.clusters {
		pool := c.policy.Pool
		if pool != nil && c.http2() && pool.MaxConnections > 0 && pool.MaxRequests == 0 && !c.shared() {
			p.report(c.at("connectionPool.tcp.maxConnections"), "add http2MaxRequests",
				"maxConnections %d does not limit requests to %s: port %d speaks HTTP/2, where one connection carries any number of them", pool.MaxConnections, c.name(), c.port.Number)
		}
	}
}

// streamsOnHTTP1 finds a limit of streams where connections have none.
func streamsOnHTTP1(p *pass) {
	for _, c := range p.clusters {
		pool := c.policy.Pool
		if pool != nil && c.port.Protocol.IsHTTP() && !c.http2() && !pool.UseClientProtocol && pool.MaxConcurrentStreams > 0 && !c.shared() {
			p.report(c.at("connectionPool.http.maxConcurrentStreams"), "add h2UpgradePolicy: UPGRADE if the app speaks HTTP/2",
				"maxConcurrentStreams %d has no effect on %s: port %d speaks HTTP/1, one request at a time on each connection", pool.MaxConcurrentStreams, c.name(), c.port.Number)
		}
	}
}

// limitPerSidecar finds limits of a service with several callers, of which each has its own.
func limitPerSidecar(p *pass) {
	for _, c := range p.clusters {
		pool := c.policy.Pool
		callers := p.callers(c.service.Host)
		if pool == nil || callers < 2 {
			continue
		}
		for _, l := range []struct {
			field string
			n     uint32
		}{
			{"tcp.maxConnections", pool.MaxConnections},
			{"http.http1MaxPendingRequests", pool.MaxPendingRequests},
			{"http.http2MaxRequests", pool.MaxRequests},
			{"http.maxRetries", pool.MaxRetries},
		} {
			if l.n > 0 {
				p.report(c.at("connectionPool."+l.field), "divide what the service can take by the number of its callers",
					"%s counts in each sidecar for itself: %d workloads call %s, so that together %d × %d = %d are let through",
					l.field[strings.IndexByte(l.field, '.')+1:], callers, c.name(), callers, l.n, uint64(callers)*uint64(l.n))
			}
		}
	}
}

// budgetPercentIdle finds retry budgets whose percentage never exceeds their minimum. The budget counts active and pending requests.
func budgetPercentIdle(p *pass) {
	for _, c := range p.clusters {
		b, pool := c.policy.RetryBudget, c.policy.Pool
		if b == nil || pool == nil || pool.MaxRequests == 0 || pool.MaxPendingRequests == 0 {
			continue
		}
		most := uint64(pool.MaxRequests) + uint64(pool.MaxPendingRequests)
		if share := uint64(b.Percent * float64(most) / 100); share <= uint64(b.MinConcurrency) {
			p.report(c.at("retryBudget.percent"), "lower minRetryConcurrency, or raise the limits",
				"the percentage never counts: %v %% of the at most %d + %d requests to %s are %d, and minRetryConcurrency allows %d at all times",
				b.Percent, pool.MaxRequests, pool.MaxPendingRequests, c.name(), share, b.MinConcurrency)
		}
	}
}

// maxRetriesIgnored finds a limit of retries that a budget takes the place of.
func maxRetriesIgnored(p *pass) {
	for _, c := range p.clusters {
		if b, pool := c.policy.RetryBudget, c.policy.Pool; b != nil && pool != nil && pool.MaxRetries > 0 {
			p.report(c.at("connectionPool.http.maxRetries"), "leave one of the two out",
				"maxRetries %d has no effect on %s: where there is a retryBudget (%v %%, at least %d) Envoy asks that alone", pool.MaxRetries, c.name(), b.Percent, b.MinConcurrency)
		}
	}
}

// connectOutlivesTimeout finds time-outs of routes that end before a connection is given up.
func connectOutlivesTimeout(p *pass) {
	for _, r := range p.routes {
		for _, c := range p.to(r) {
			if pool := c.policy.Pool; r.Timeout > 0 && pool != nil && pool.ConnectTimeout >= r.Timeout {
				p.report(c.at("connectionPool.tcp.connectTimeout"), "make connectTimeout a small part of the route's timeout",
					"connectTimeout %s is never reached on the route at %s: its timeout %s is over first, so that nothing is retried on another endpoint",
					pool.ConnectTimeout, r.Pos, r.Timeout)
			}
		}
	}
}
