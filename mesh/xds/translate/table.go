package translate

import (
	"slices"
	"strconv"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// A route table is a RouteConfiguration: one per port where the kernel captures traffic, one for all
// ports where the sidecar is an HTTP proxy (its port counts as 0). tableOf is the one place that decides.
func tableOf(capture model.Capture, port uint32) uint32 {
	if capture == model.CaptureProxy {
		return 0
	}
	return port
}

func tableName(table uint32) string {
	if table == 0 {
		return HTTPProxyTable
	}
	return strconv.FormatUint(uint64(table), 10)
}

func tableInput(s *scope, table uint32) string { return s.key + "#" + tableName(table) }

// fragment is what one host contributes to a route table, and the places of the rules behind it.
type fragment struct {
	host    *routev3.VirtualHost
	sources []diag.Pos
}

func (t *Translator) ensureTable(s *scope, table uint32) {
	t.ensure(nodeID{routeTable, s.key, tableName(table)}, &s.shared, func(r *reader) { buildTable(r, table) })
	if table != 0 {
		t.ensure(nodeID{listener, s.key, tableName(table)}, &s.shared, func(r *reader) { buildPortListener(r, table) })
	}
}

// setVirtualHosts replaces what a host contributes to route tables, and marks the tables that change.
func (t *Translator) setVirtualHosts(s *scope, n *node, hosts map[uint32]*routev3.VirtualHost, sources ...diag.Pos) {
	var ports []uint32
	for port := range hosts { // sorted below
		ports = append(ports, port)
	}
	slices.Sort(ports)
	key := func(port uint32) (uint32, string) {
		return tableOf(t.snap.Mesh.Capture, port), n.id.name + ":" + strconv.FormatUint(uint64(port), 10)
	}
	for _, port := range ports {
		table, name := key(port)
		vh := hosts[port]
		if old := s.tables[table].At(name); old != nil && proto.Equal(old.host, vh) {
			old.sources = sources
			continue
		}
		s.tables[table] = s.tables[table].Set(name, &fragment{vh, sources})
		t.ensureTable(s, table)
		t.touch(partTable, tableInput(s, table))
	}
	for _, port := range n.tables {
		if hosts[port] != nil {
			continue
		}
		table, name := key(port)
		s.tables[table] = s.tables[table].Delete(name)
		t.touch(partTable, tableInput(s, table))
		if s.tables[table].Len() == 0 && table != 0 {
			delete(s.tables, table)
			t.drop(nodeID{routeTable, s.key, tableName(table)})
			t.drop(nodeID{listener, s.key, tableName(table)})
		}
	}
	n.tables = ports
}

func buildTable(r *reader, table uint32) {
	r.note(partTable, tableInput(r.scope, table))
	rc := &routev3.RouteConfiguration{
		Name:                           tableName(table),
		ValidateClusters:               wrapperspb.Bool(false),
		MaxDirectResponseBodySizeBytes: wrapperspb.UInt32(1 << 20),
		IgnorePortInHostMatching:       false,
	}
	taken := map[string]bool{}
	for _, f := range r.scope.tables[table].All() {
		if vh := withoutTaken(f.host, taken); vh != nil {
			for _, pos := range f.sources {
				r.from(pos)
			}
			rc.VirtualHosts = append(rc.VirtualHosts, vh)
		}
	}
	rc.VirtualHosts = append(rc.VirtualHosts, unknownHosts(r.mesh()))
	r.add(Route, rc.GetName(), rc)
}

// withoutTaken leaves out domains that an earlier virtual host of the table has: Envoy refuses a table that
// names one twice. The earlier one is first by name, so the result does not depend on time.
func withoutTaken(vh *routev3.VirtualHost, taken map[string]bool) *routev3.VirtualHost {
	free := vh.GetDomains()[:0:0]
	for _, d := range vh.GetDomains() {
		if !taken[d] {
			taken[d] = true
			free = append(free, d)
		}
	}
	switch len(free) {
	case len(vh.GetDomains()):
		return vh
	case 0:
		return nil
	}
	out := proto.CloneOf(vh)
	out.Domains = free
	return out
}

// unknownHosts answers for what no service stands for. A sidecar that is an HTTP proxy would have to ask a resolver
// outside the lab, so it refuses in any case.
func unknownHosts(m *model.Mesh) *routev3.VirtualHost {
	if passes(m) {
		return &routev3.VirtualHost{
			Name: "allow_any", Domains: []string{"*"},
			Routes: []*routev3.Route{{
				Name:  "allow_any",
				Match: &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
				Action: &routev3.Route_Route{Route: &routev3.RouteAction{
					ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: PassthroughCluster},
					Timeout:          duration(0),
				}},
			}},
		}
	}
	return &routev3.VirtualHost{
		Name: "block_all", Domains: []string{"*"},
		Routes: []*routev3.Route{{
			Name:   "block_all",
			Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
			Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: 502}},
		}},
	}
}
