package config

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// reservedClusters are names of clusters that every proxy may have.
var reservedClusters = []string{"BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster", "xds-grpc", "sds-grpc", "als-grpc", "zipkin"}

func (b *build) envoyFilter(doc *Document) *model.EnvoyFilter {
	in := doc.message.(*networking.EnvoyFilter)
	r := b.reporter(doc)
	out := &model.EnvoyFilter{Name: doc.Name, Namespace: doc.Namespace, Priority: in.Priority, Selector: copyLabels(in.WorkloadSelector.GetLabels()), Pos: doc.Pos}
	if in.WorkloadSelector != nil && len(out.Selector) == 0 {
		r.missing("spec.workloadSelector.labels", "a workloadSelector without labels picks nobody")
		r.hint("without a workloadSelector all of the namespace is picked")
	}
	if len(in.ConfigPatches) == 0 {
		r.missing("spec.configPatches", "an EnvoyFilter needs configPatches")
	}
	for i, p := range in.ConfigPatches {
		if patch := r.envoyPatch(p, at("spec.configPatches", i)); patch != nil {
			out.Patches = append(out.Patches, patch)
		}
	}
	return out
}

// envoyPatch reads one patch, or gives nil for one of which the target is not known.
func (r reporter) envoyPatch(in *networking.EnvoyFilter_EnvoyConfigObjectPatch, path string) *model.EnvoyPatch {
	out := &model.EnvoyPatch{
		Target: model.PatchTarget(in.ApplyTo.String()), Operation: model.PatchOperation(in.GetPatch().GetOperation().String()),
		Context: model.PatchContext(in.GetMatch().GetContext().String()), Pos: r.pos(path),
	}
	target, known := patched[out.Target]
	if !known {
		targets := strings.Join(patchTargets(), ", ")
		if in.ApplyTo == networking.EnvoyFilter_INVALID {
			r.missing(path+".applyTo", "what is patched? One of %s", targets)
		} else {
			r.errorf("UNSUPPORTED-FIELD", path+".applyTo", "patches of %s are not supported", out.Target)
			r.hint("one of %s", targets)
		}
		return nil
	}
	operations := strings.Fields(target.operations)
	switch {
	case in.GetPatch().GetOperation() == networking.EnvoyFilter_Patch_INVALID:
		r.missing(path+".patch.operation", "what is done to the %s? One of %s", out.Target, strings.Join(operations, ", "))
	case !slices.Contains(operations, string(out.Operation)):
		r.errorf("BAD-ENUM", path+".patch.operation", "%s is nothing that is done to a %s", out.Operation, out.Target)
		r.hint("one of %s", strings.Join(operations, ", "))
	}
	if in.GetMatch().GetContext() == networking.EnvoyFilter_WAYPOINT {
		r.errorf("UNSUPPORTED-FIELD", path+".match.context", "there are no waypoints here")
		r.hint("one of ANY, SIDECAR_INBOUND, SIDECAR_OUTBOUND, GATEWAY")
	}
	r.patchMatch(in.GetMatch(), out, target.match, path+".match")
	r.patchValue(out, path+".patch.value")
	return out
}

func patchTargets() []string {
	var out []string
	for t := range maps.Keys(patched) { // sorted below
		out = append(out, string(t))
	}
	slices.Sort(out)
	return out
}

func (r reporter) patchMatch(in *networking.EnvoyFilter_EnvoyConfigObjectMatch, out *model.EnvoyPatch, wants, path string) {
	given := ""
	if l := in.GetListener(); l != nil {
		given = "listener"
		c := l.GetFilterChain()
		out.Listener = model.ListenerMatch{
			Name: l.Name, Port: l.PortNumber, Chain: c.GetName(), SNI: c.GetSni(), Transport: c.GetTransportProtocol(), ChainPort: c.GetDestinationPort(),
			Filter: c.GetFilter().GetName(), HTTPFilter: c.GetFilter().GetSubFilter().GetName(),
		}
		for p := range strings.SplitSeq(c.GetApplicationProtocols(), ",") {
			if p = strings.TrimSpace(p); p != "" {
				out.Listener.Protocols = append(out.Listener.Protocols, p)
			}
		}
	}
	if t := in.GetRouteConfiguration(); t != nil {
		given = "routeConfiguration"
		v := t.GetVhost()
		out.Routes = model.RouteTableMatch{Name: t.Name, Port: t.PortNumber, Host: v.GetName(), Domain: v.GetDomainName(), Route: v.GetRoute().GetName()}
		if a := v.GetRoute().GetAction(); a != networking.EnvoyFilter_RouteConfigurationMatch_RouteMatch_ANY {
			out.Routes.Action = a.String()
		}
	}
	if c := in.GetCluster(); c != nil {
		given = "cluster"
		out.Cluster = model.ClusterMatch{Name: c.Name, Port: c.PortNumber, Service: c.Service, Subset: c.Subset}
		if c.Service != "" && r.build != nil {
			out.Cluster.Service = r.build.host(c.Service, r.doc.Namespace)
		}
	}
	if given != "" && given != wants {
		r.errorf("NEVER-MATCHES", path+"."+given, "a %s has no %s to match", out.Target, given)
		r.hint("match.%s fits", wants)
	}
	for _, p := range []struct {
		port uint32
		path string
	}{{out.Listener.Port, ".listener.portNumber"}, {out.Routes.Port, ".routeConfiguration.portNumber"}, {out.Cluster.Port, ".cluster.portNumber"}} {
		if p.port > 65535 {
			r.port(p.port, path+p.path)
		}
	}
	r.patchAnchor(out, path)
}

// patchAnchor asks for the filter that a patch of filters is about: without its name it would be each of them.
func (r reporter) patchAnchor(p *model.EnvoyPatch, path string) {
	changes := p.Operation == model.PatchMerge || p.Operation == model.PatchRemove || p.Operation == model.PatchReplace
	switch {
	case p.Target == model.PatchNetworkFilter && changes && p.Listener.Filter == "":
		r.missing(path+".listener.filterChain.filter.name", "%s of which network filter?", p.Operation)
	case p.Target == model.PatchHTTPFilter && changes && p.Listener.HTTPFilter == "":
		r.missing(path+".listener.filterChain.filter.subFilter.name", "%s of which HTTP filter?", p.Operation)
	case p.Operation == model.PatchRemove && p.Target == model.PatchCluster && p.Cluster == (model.ClusterMatch{}):
		r.missing(path+".cluster", "REMOVE of which clusters?")
	}
}

// patchValue takes over the message that was decoded when the document was read.
func (r reporter) patchValue(p *model.EnvoyPatch, path string) {
	value := r.doc.values[path]
	switch {
	case p.Operation == model.PatchRemove:
		if value != nil {
			r.errorf("EXCLUSIVE-FIELDS", path, "REMOVE takes no value")
		}
		return
	case value == nil:
		r.missing(path, "%s needs a value, a message of Envoy's API", p.Operation)
		return
	}
	named, _ := value.(interface{ GetName() string })
	name := ""
	if named != nil {
		name = named.GetName()
	}
	switch {
	case p.Operation == model.PatchMerge:
		switch p.Target {
		case model.PatchCluster, model.PatchListener, model.PatchRouteTable:
			if name != "" {
				r.errorf("BAD-VALUE", path+".name", "a MERGE cannot give a %s another name, by which routes and proxies know it", p.Target)
				r.hint("say which by match, and delete name")
			}
		case model.PatchFilterChain, model.PatchNetworkFilter, model.PatchHTTPFilter, model.PatchVirtualHost, model.PatchHTTPRoute:
		}
	case name == "" && p.Target != model.PatchFilterChain && p.Target != model.PatchHTTPRoute:
		r.missing(path+".name", "what is added needs a name")
	case p.Target == model.PatchCluster && (strings.Contains(name, "|") || slices.Contains(reservedClusters, name)):
		r.errorf("DUPLICATE-NAME", path+".name", "%q is a name of the mesh's own clusters", shorten(name))
	case p.Target == model.PatchListener && ownListener(name):
		r.errorf("DUPLICATE-NAME", path+".name", "%q is a name of the mesh's own listeners", shorten(name))
	}
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(value)
	if err != nil {
		r.errorf("BAD-VALUE", path, "the value cannot be sent to Envoy: %v", err)
	}
	p.Value = string(wire)
}

// ownListener says whether the mesh names listeners so: virtualInbound, or an address, or what leads to a tunnel.
func ownListener(name string) bool {
	return strings.HasPrefix(name, "virtual") || strings.HasPrefix(name, "connect") || strings.HasPrefix(name, "inbound") || name == "http_proxy" ||
		strings.Trim(name, "0123456789._:[]abcdef") == ""
}

func (b *build) envoyFilters() {
	want := map[string]*model.EnvoyFilter{}
	for _, doc := range b.set.ofKind(kindEnvoyFilter) {
		b.of(doc, func() {
			f := b.envoyFilter(doc)
			want[f.Key()] = f
		})
	}
	b.snap = settleRules(b.snap, b.snap.EnvoyFilters, want, model.Snapshot.WithEnvoyFilter, model.Snapshot.WithoutEnvoyFilter)
}
