package translate

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	rbachttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	rbacnetworkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/authz"
)

// authorizationActions are the filters of a connection manager after those for CUSTOM, in their order. Each is there always, and decides nothing until the route
// table says so: a policy for HTTP changes routes and no listener.
var authorizationActions = []model.AuthorizationAction{model.Audit, model.Deny, model.Allow}

// AuthorizationFilter names the filter of an action.
func AuthorizationFilter(a model.AuthorizationAction) string {
	return "envoy.filters.http.rbac." + strings.ToLower(string(a))
}

// dryRunPrefix begins the counters of policies on trial: istio_dry_run_allow_.shadow_denied (Istio's).
func dryRunPrefix(a model.AuthorizationAction) string {
	return "istio_dry_run_" + strings.ToLower(string(a)) + "_"
}

var rbacActions = map[model.AuthorizationAction]rbacv3.RBAC_Action{
	model.Custom: rbacv3.RBAC_DENY, model.Audit: rbacv3.RBAC_LOG, model.Deny: rbacv3.RBAC_DENY, model.Allow: rbacv3.RBAC_ALLOW,
}

// authorizations are the policies of a proxy's own workload.
func (r *reader) authorizations(w *model.Workload) []*model.AuthorizationPolicy {
	r.note(partAuthorizations, w.Namespace)
	r.note(partAuthorizations, r.mesh().RootNamespace)
	return r.t.snap.Authorizations(w.Namespace, w.Labels)
}

// authorize makes a route table of a proxy obey the policies of its workload.
func (r *reader) authorize(rc *routev3.RouteConfiguration, w *model.Workload) {
	policies := r.authorizations(w)
	for _, action := range append([]model.AuthorizationAction{model.Custom}, authorizationActions...) {
		rules, shadow := r.rules(policies, action, false)
		if action == model.Custom { // it marks what is asked about, and decides nothing itself
			rules, shadow = nil, rules
		}
		if rules == nil && shadow == nil {
			continue
		}
		if rc.TypedPerFilterConfig == nil {
			rc.TypedPerFilterConfig = map[string]*anypb.Any{}
		}
		rc.TypedPerFilterConfig[AuthorizationFilter(action)] = packed(&rbachttpv3.RBACPerRoute{Rbac: &rbachttpv3.RBAC{
			Rules: rules, ShadowRules: shadow, // they count under the filter's prefix
		}})
	}
}

// authorizeTCP gives the filters before a TCP proxy.
func (r *reader) authorizeTCP(w *model.Workload, stat string) []*listenerv3.Filter {
	policies := r.authorizations(w)
	var out []*listenerv3.Filter
	for _, action := range authorizationActions {
		rules, shadow := r.rules(policies, action, true)
		if rules == nil && shadow == nil {
			continue
		}
		out = append(out, networkFilter("envoy.filters.network.rbac", &rbacnetworkv3.RBAC{
			Rules: rules, ShadowRules: shadow, ShadowRulesStatPrefix: dryRunPrefix(action), StatPrefix: statName(stat) + ".",
		}))
	}
	return out
}

// rules gives the rules of one action: those in force, and those on trial. Nil where there is no policy of the kind. Nobody is asked about
// connections: what a CUSTOM matches of them is denied.
func (r *reader) rules(policies []*model.AuthorizationPolicy, action model.AuthorizationAction, tcp bool) (enforced, shadow *rbacv3.RBAC) {
	for _, p := range policies {
		if p.Action != action && !(tcp && action == model.Deny && p.Action == model.Custom) {
			continue
		}
		r.from(p.Pos)
		into := &enforced
		if p.DryRun {
			into = &shadow
		}
		if *into == nil {
			*into = &rbacv3.RBAC{Action: rbacActions[action], Policies: map[string]*rbacv3.Policy{}}
		}
		for i, rule := range p.Rules {
			if one := r.authorizationRule(p, rule, tcp); one != nil {
				(*into).Policies[authz.RuleName(p, i)] = one
			}
		}
	}
	return enforced, shadow
}

// conditions collects what a rule asks for, as Envoy's principals and permissions.
type conditions struct {
	r         *reader
	namespace string
	tcp       bool
	// lacking says that something was asked for that connections do not have.
	lacking bool
}

// authorizationRule gives nil for a rule of an ALLOW that asks connections for what they do not have: it matches none.
func (r *reader) authorizationRule(p *model.AuthorizationPolicy, rule *model.AuthorizationRule, tcp bool) *rbacv3.Policy {
	c := &conditions{r: r, namespace: p.Namespace, tcp: tcp}
	var ids []*rbacv3.Principal
	var permissions []*rbacv3.Permission
	for _, w := range rule.When {
		id, permission := c.condition(w)
		ids, permissions = append(ids, id...), append(permissions, permission...)
	}
	out := &rbacv3.Policy{}
	if len(rule.From) == 0 {
		out.Principals = []*rbacv3.Principal{andIDs(ids)}
	}
	for _, s := range rule.From {
		out.Principals = append(out.Principals, andIDs(append(c.source(s), ids...)))
	}
	if len(rule.To) == 0 {
		out.Permissions = []*rbacv3.Permission{andPermissions(permissions)}
	}
	for _, o := range rule.To {
		out.Permissions = append(out.Permissions, andPermissions(append(c.operation(o), permissions...)))
	}
	if c.lacking && p.Action == model.Allow {
		return nil
	}
	return out
}

func (c *conditions) source(s model.AuthorizationSource) []*rbacv3.Principal {
	var out []*rbacv3.Principal
	out = append(out, ids(s.Principals, c.principal)...)
	out = append(out, ids(s.Namespaces, c.ofNamespace)...)
	out = append(out, ids(s.ServiceAccounts, c.account)...)
	out = append(out, ids(s.TrustDomains, c.trustDomain)...)
	out = append(out, ids(s.IPBlocks, sourceIP)...)
	out = append(out, ids(s.RemoteIPBlocks, remoteIP)...)
	return append(out, ids(c.http(s.RequestPrincipals), requestPrincipal)...)
}

func (c *conditions) operation(o model.AuthorizationOperation) []*rbacv3.Permission {
	var out []*rbacv3.Permission
	out = append(out, permissions(c.http(o.Hosts), func(v string) *rbacv3.Permission { return headerPermission(":authority", v, true) })...)
	out = append(out, permissions(c.http(o.Methods), func(v string) *rbacv3.Permission { return headerPermission(":method", v, false) })...)
	out = append(out, permissions(c.http(o.Paths), pathPermission)...)
	return append(out, permissions(o.Ports, portPermission)...)
}

// http gives the values, or nothing where connections have no requests.
func (c *conditions) http(v model.Values) model.Values {
	if c.tcp && !v.Empty() {
		c.lacking = true
		return model.Values{}
	}
	return v
}

func (c *conditions) condition(w model.AuthorizationCondition) ([]*rbacv3.Principal, []*rbacv3.Permission) {
	name, argument, _ := strings.Cut(w.Key, "[")
	argument = strings.TrimSuffix(argument, "]")
	switch name {
	case "request.headers":
		return ids(c.http(w.Values), func(v string) *rbacv3.Principal {
			return &rbacv3.Principal{Identifier: &rbacv3.Principal_Header{Header: headerValue(argument, v, false)}}
		}), nil
	case "source.ip":
		return ids(w.Values, sourceIP), nil
	case "remote.ip":
		return ids(w.Values, remoteIP), nil
	case "source.namespace":
		return ids(w.Values, c.ofNamespace), nil
	case "source.principal":
		return ids(w.Values, c.principal), nil
	case "source.serviceAccount":
		return ids(w.Values, c.account), nil
	case "request.auth.principal":
		return ids(c.http(w.Values), requestPrincipal), nil
	case "request.auth.audiences":
		return ids(c.http(w.Values), claimIs("aud")), nil
	case "request.auth.presenter":
		return ids(c.http(w.Values), claimIs("azp")), nil
	case "request.auth.claims":
		return ids(c.http(w.Values), claimIs(strings.Split(argument, "][")...)), nil
	case "destination.ip":
		return nil, permissions(w.Values, func(v string) *rbacv3.Permission {
			return &rbacv3.Permission{Rule: &rbacv3.Permission_DestinationIp{DestinationIp: cidr(v)}}
		})
	case "destination.port":
		return nil, permissions(w.Values, portPermission)
	case "connection.sni":
		return nil, permissions(w.Values, func(v string) *rbacv3.Permission {
			return &rbacv3.Permission{Rule: &rbacv3.Permission_RequestedServerName{RequestedServerName: textMatch(v, "")}}
		})
	}
	panic("a condition that the reader of rules lets through and nobody knows: " + w.Key)
}

// ids gives: one of the values, and none of those that must not be.
func ids(v model.Values, id func(string) *rbacv3.Principal) []*rbacv3.Principal {
	var out []*rbacv3.Principal
	or := func(list []string) *rbacv3.Principal {
		set := &rbacv3.Principal_Set{}
		for _, one := range list {
			set.Ids = append(set.Ids, id(one))
		}
		return &rbacv3.Principal{Identifier: &rbacv3.Principal_OrIds{OrIds: set}}
	}
	if len(v.In) > 0 {
		out = append(out, or(v.In))
	}
	if len(v.NotIn) > 0 {
		out = append(out, &rbacv3.Principal{Identifier: &rbacv3.Principal_NotId{NotId: or(v.NotIn)}})
	}
	return out
}

// permissions is ids for what is asked for.
func permissions(v model.Values, permission func(string) *rbacv3.Permission) []*rbacv3.Permission {
	var out []*rbacv3.Permission
	or := func(list []string) *rbacv3.Permission {
		set := &rbacv3.Permission_Set{}
		for _, one := range list {
			set.Rules = append(set.Rules, permission(one))
		}
		return &rbacv3.Permission{Rule: &rbacv3.Permission_OrRules{OrRules: set}}
	}
	if len(v.In) > 0 {
		out = append(out, or(v.In))
	}
	if len(v.NotIn) > 0 {
		out = append(out, &rbacv3.Permission{Rule: &rbacv3.Permission_NotRule{NotRule: or(v.NotIn)}})
	}
	return out
}

func andIDs(list []*rbacv3.Principal) *rbacv3.Principal {
	if len(list) == 0 {
		return &rbacv3.Principal{Identifier: &rbacv3.Principal_Any{Any: true}}
	}
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_AndIds{AndIds: &rbacv3.Principal_Set{Ids: list}}}
}

func andPermissions(list []*rbacv3.Permission) *rbacv3.Permission {
	if len(list) == 0 {
		return &rbacv3.Permission{Rule: &rbacv3.Permission_Any{Any: true}}
	}
	return &rbacv3.Permission{Rule: &rbacv3.Permission_AndRules{AndRules: &rbacv3.Permission_Set{Rules: list}}}
}

// textMatch compares with "exact", "prefix*", "*suffix" or "*"; what begins with a scheme begins so in all but suffixes.
func textMatch(v, scheme string) *matcherv3.StringMatcher {
	switch {
	case v == "*":
		return regexMatch(".+")
	case strings.HasPrefix(v, "*"):
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: v[1:]}}
	case strings.HasSuffix(v, "*"):
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: scheme + strings.TrimPrefix(v[:len(v)-1], scheme)}}
	}
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: scheme + strings.TrimPrefix(v, scheme)}}
}

func regexMatch(expr string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: expr}}}
}

// authenticated asks for the identity in the peer's certificate.
func authenticated(m *matcherv3.StringMatcher) *rbacv3.Principal {
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_Authenticated_{Authenticated: &rbacv3.Principal_Authenticated{PrincipalName: m}}}
}

const spiffeScheme = "spiffe://"

func (c *conditions) principal(v string) *rbacv3.Principal {
	return authenticated(textMatch(v, spiffeScheme))
}

// glob turns a value with a * into a regular expression for one part of a name.
func glob(v string) string {
	if v == "*" {
		return "[^/]+"
	}
	return strings.ReplaceAll(regexp.QuoteMeta(v), `\*`, "[^/]*")
}

func (c *conditions) ofNamespace(v string) *rbacv3.Principal {
	return authenticated(regexMatch(spiffeScheme + "[^/]+/ns/" + glob(v) + "/sa/[^/]+"))
}

func (c *conditions) trustDomain(v string) *rbacv3.Principal {
	return authenticated(regexMatch(spiffeScheme + glob(v) + "/ns/[^/]+/sa/[^/]+"))
}

func (c *conditions) account(v string) *rbacv3.Principal {
	if !strings.Contains(v, "/") {
		v = c.namespace + "/" + v
	}
	namespace, account, _ := strings.Cut(v, "/")
	return authenticated(regexMatch(spiffeScheme + "[^/]+/ns/" + regexp.QuoteMeta(namespace) + "/sa/" + regexp.QuoteMeta(account)))
}

func sourceIP(v string) *rbacv3.Principal {
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_DirectRemoteIp{DirectRemoteIp: cidr(v)}}
}

func remoteIP(v string) *rbacv3.Principal {
	return &rbacv3.Principal{Identifier: &rbacv3.Principal_RemoteIp{RemoteIp: cidr(v)}}
}

// cidr reads a block or an address, which the reader of rules has checked.
func cidr(v string) *corev3.CidrRange {
	prefix, err := netip.ParsePrefix(v)
	if err != nil {
		addr, err := netip.ParseAddr(v)
		if err != nil {
			panic(fmt.Sprintf("an address that the reader of rules lets through: %q", v))
		}
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	return &corev3.CidrRange{AddressPrefix: prefix.Masked().Addr().String(), PrefixLen: wrapperspb.UInt32(uint32(prefix.Bits()))}
}

func headerValue(name, v string, ignoreCase bool) *routev3.HeaderMatcher {
	m := textMatch(v, "")
	if v == "*" {
		m = regexMatch("(?s).+")
	} else {
		m.IgnoreCase = ignoreCase
	}
	return &routev3.HeaderMatcher{Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}}
}

func headerPermission(name, v string, ignoreCase bool) *rbacv3.Permission {
	return &rbacv3.Permission{Rule: &rbacv3.Permission_Header{Header: headerValue(name, v, ignoreCase)}}
}

func pathPermission(v string) *rbacv3.Permission {
	return &rbacv3.Permission{Rule: &rbacv3.Permission_UrlPath{UrlPath: &matcherv3.PathMatcher{
		Rule: &matcherv3.PathMatcher_Path{Path: textMatch(v, "")},
	}}}
}

func portPermission(v string) *rbacv3.Permission {
	n, _ := strconv.ParseUint(v, 10, 16) // checked when it was read
	return &rbacv3.Permission{Rule: &rbacv3.Permission_DestinationPort{DestinationPort: uint32(n)}}
}
