package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/sim/des"
)

// clusterName is Istio's: outbound|9080|v1|reviews.default.svc.cluster.local.
func clusterName(port uint32, subset, host string) string {
	return fmt.Sprintf("outbound|%d|%s|%s", port, subset, host)
}

func inboundName(port uint32) string { return fmt.Sprintf("inbound|%d||", port) }

// limits are a cluster's circuit breakers, and what counts against them.
type limits struct {
	connections, pending, requests, retries uint32
	// budget is nil without one; it takes the place of the limit of retries.
	budget *model.RetryBudget
}

const unlimited = math.MaxUint32

// cluster is what one proxy knows of the endpoints of a service's port and subset, and how it calls them.
//
// What every request needs comes first.
type cluster struct {
	// alike are the hosts among which least request chooses, where they are of one priority and count alike; see pick.
	alike []*host
	// only is the only one of alike, where there is no other.
	only *host
	lb   rand.PCG
	mesh *Mesh
	// stats are those of the first cluster of this name that the proxy had, counted if it is this one.
	stats *clusterStats

	connections, pending, requests, retries uint32
	limits                                  limits
	keepFor                                 uint32 // requests of one connection; 0 any number
	streams                                 uint32 // of one connection at a time
	http2                                   bool
	// retired: the rules changed, and another cluster has taken its place. watched: failures are counted.
	retired, watched bool
	proxy            *proxy
	counted          clusterStats
	outlier          outlier

	hosts      []*host
	priorities []*priority
	levels     []uint32 // share of the requests of each priority, in per cent
	panics     []bool
	seed       uint64 // where round robin starts

	name   string
	at     hostPort
	subset string
	// number among the clusters with something to do later, from 1; 0 has nothing.
	number    uint32
	policy    model.TrafficPolicy
	rule      *model.DestinationRule
	endpoints *model.Endpoints
	merge     merging
}

// host is one endpoint as a proxy's cluster sees it. What every request needs comes first.
type host struct {
	cluster *cluster
	// target is the sidecar there; nil of an inbound cluster, whose only host is its own app.
	target *proxy
	// idle are the connections that are free, the latest first.
	idle *conn
	// open are all connections, connecting those among them that are not open yet.
	open, connecting int32
	// active requests count for least request.
	active  uint32
	port    uint32
	waiting line

	address  string
	weight   uint32
	locality model.Locality
	level    uint32 // priority
	healthy  bool   // as the registry says
	added    time.Duration
	gone     bool // has left the cluster

	// ejected is known to outlier detection, out to the load balancer, which learns of it later where updates are merged.
	ejected, out bool
	errors5xx    uint32
	errorsGate   uint32
	ejectedAt    time.Duration
	returnedAt   time.Duration
	backoff      uint32
}

// cluster gives a proxy's cluster for a host's port and subset, or nil if nobody declares it.
func (p *proxy) cluster(at hostPort, subset string) *cluster {
	name := clusterName(at.port, subset, at.host)
	if c := p.clusters[name]; c != nil {
		return c
	}
	svc := p.service(at.host)
	if svc == nil {
		return nil
	}
	port, ok := svc.Port(at.port)
	if !ok || !port.Protocol.IsHTTP() && port.Protocol != model.TCP {
		return nil
	}
	rule := p.mesh.snap.DestinationRule(at.host, p.workload.Namespace)
	if subset != "" && subsetOf(rule, subset) == nil {
		return nil
	}
	c := &cluster{mesh: p.mesh, proxy: p, name: name, at: at, subset: subset}
	c.configure(rule)
	p.clusters[name] = c
	p.order = append(p.order, c)
	c.setEndpoints()
	return c
}

// service is one that the proxy may see.
func (p *proxy) service(host string) *model.Service {
	if svc := p.mesh.snap.Services.At(host); svc != nil && svc.VisibleFrom(p.workload.Namespace) {
		return svc
	}
	return nil
}

// configure begins a cluster with the policy of a rule; what it counts goes on.
func (c *cluster) configure(rule *model.DestinationRule) {
	c.rule, c.policy = rule, rule.For(c.subset, c.at.port)
	if c.stats = c.proxy.stats[c.name]; c.stats == nil {
		c.stats = &c.counted
		c.proxy.stats[c.name] = c.stats
	}
	c.limits = limits{unlimited, unlimited, unlimited, unlimited, c.policy.RetryBudget}
	if pool := c.policy.Pool; pool != nil {
		set := func(limit *uint32, n uint32) {
			if n > 0 {
				*limit = n
			}
		}
		set(&c.limits.connections, pool.MaxConnections)
		set(&c.limits.pending, pool.MaxPendingRequests)
		set(&c.limits.requests, pool.MaxRequests)
		set(&c.limits.retries, pool.MaxRetries)
		c.keepFor = pool.MaxRequestsPerConnection
	}
	c.speak()
	c.lb = des.Source(c.mesh.opts.Seed, "lb/"+c.proxy.id+"/"+c.name)
	c.seed = c.lb.Uint64() >> 1
	c.outlier.configure(c)
	c.merge.window = c.mesh.snap.Mesh.MergeWindow
}

// speak settles what the connections of a cluster speak, and how many requests each carries at a time.
func (c *cluster) speak() {
	if svc := c.proxy.service(c.at.host); svc != nil {
		port, _ := svc.Port(c.at.port)
		c.http2 = port.Protocol.IsHTTP2() || port.Protocol == model.HTTP && c.policy.Pool != nil && c.policy.Pool.H2Upgrade == "UPGRADE"
	}
	c.streams = 1
	if c.http2 {
		if c.streams = unlimited; c.policy.Pool != nil && c.policy.Pool.MaxConcurrentStreams > 0 {
			c.streams = c.policy.Pool.MaxConcurrentStreams
		}
	}
}

// inboundCluster leads to the proxy's own app.
func (p *proxy) inboundCluster(port uint32) *cluster {
	name := inboundName(port)
	if c := p.clusters[name]; c != nil {
		return c
	}
	c := &cluster{mesh: p.mesh, proxy: p, name: name, at: hostPort{"", port}}
	if i := slices.IndexFunc(p.workload.Inbound, func(in model.Inbound) bool { return in.App.Port == port }); i >= 0 {
		c.http2 = p.workload.Inbound[i].Protocol.IsHTTP2()
	}
	c.configure(nil)
	own := c.newHost(fmt.Sprintf("%s:%d", p.appAddress(port), port))
	own.weight, own.healthy = 1, true
	c.hosts = []*host{own}
	p.clusters[name] = c
	p.order = append(p.order, c)
	c.refresh()
	return c
}

// update makes a proxy's clusters follow a new snapshot.
func (p *proxy) update() {
	kept := p.order[:0]
	for _, c := range p.order {
		if c.at.host == "" {
			kept = append(kept, c)
			continue
		}
		rule := p.mesh.snap.DestinationRule(c.at.host, p.workload.Namespace)
		svc := p.service(c.at.host)
		if svc == nil || c.subset != "" && subsetOf(rule, c.subset) == nil {
			c.retire()
			delete(p.clusters, c.name)
			continue
		}
		if rule != c.rule && !samePolicy(rule.For(c.subset, c.at.port), c.policy) {
			// Envoy makes a new cluster, whose balancer, connections and memory of failures begin anew.
			c.retire()
			fresh := &cluster{mesh: p.mesh, proxy: p, name: c.name, at: c.at, subset: c.subset}
			fresh.configure(rule)
			p.clusters[c.name] = fresh
			fresh.setEndpoints()
			kept = append(kept, fresh)
			continue
		}
		moved := rule != c.rule && !reflect.DeepEqual(subsetOf(rule, c.subset), subsetOf(c.rule, c.subset))
		c.rule = rule
		if moved || p.mesh.snap.Endpoints.At(c.at.host) != c.endpoints {
			c.setEndpoints()
		}
		kept = append(kept, c)
	}
	p.order = kept
}

// samePolicy compares policies without the places where they are written.
func samePolicy(a, b model.TrafficPolicy) bool {
	a.Pos = b.Pos
	if a.TLS != nil && b.TLS != nil {
		x := *a.TLS
		x.Pos = b.TLS.Pos
		a.TLS = &x
	}
	return reflect.DeepEqual(a, b)
}

// retire lets a cluster go: what is under way ends, idle connections close.
func (c *cluster) retire() {
	c.retired = true
	for _, h := range c.hosts {
		h.gone = true
		h.closeIdle()
	}
}

// later gives the number under which events reach a cluster.
func (c *cluster) later() uint32 {
	if c.number == 0 {
		c.mesh.clusters = append(c.mesh.clusters, c)
		c.number = uint32(len(c.mesh.clusters))
	}
	return c.number - 1
}

// mayRetry tells whether the cluster has room for one more retry.
func (c *cluster) mayRetry() bool {
	b := c.limits.budget
	if b == nil {
		return c.retries < c.limits.retries
	}
	percent, least := b.Percent, b.MinConcurrency
	if percent == 0 {
		percent = 20
	}
	if least == 0 {
		least = 3
	}
	return c.retries < max(least, uint32(percent/100*float64(c.requests+c.pending)))
}

// newHost is an endpoint at an address.
func (c *cluster) newHost(address string) *host {
	_, port := cutPort(address)
	n, _ := strconv.ParseUint(port, 10, 16) // addresses end with a port
	return &host{cluster: c, address: address, port: uint32(n), added: c.mesh.Now()}
}
