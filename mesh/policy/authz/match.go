package authz

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// verdict is what a condition says of a request.
type verdict int

const (
	no verdict = iota
	yes
	// absent: a connection does not have what is asked for. A rule of an ALLOW that asks for such a thing anywhere matches nothing then; in
	// others the condition is left out: less is allowed and more denied (Istio's way).
	absent
)

func of(b bool) verdict {
	if b {
		return yes
	}
	return no
}

func matches(p *model.AuthorizationPolicy, rule *model.AuthorizationRule, r *Request) bool {
	lacking := false
	all := func(parts ...verdict) bool {
		lacking = lacking || slices.Contains(parts, absent)
		return !slices.Contains(parts, no)
	}
	from := func(s model.AuthorizationSource) bool { return all(source(s, p.Namespace, r)...) }
	to := func(o model.AuthorizationOperation) bool { return all(operation(o, r)...) }
	matched := true
	for _, c := range rule.When {
		matched = all(condition(c, p.Namespace, r)) && matched
	}
	matched = anyOf(rule.From, from) && matched
	matched = anyOf(rule.To, to) && matched
	return matched && (!lacking || p.Action != model.Allow)
}

// anyOf looks at each of a list, all of them, and says whether one fits, or there is none.
func anyOf[T any](list []T, fits func(T) bool) bool {
	found := len(list) == 0
	for _, one := range list {
		found = fits(one) || found
	}
	return found
}

// check holds values against an attribute: one of In, and none of NotIn.
func check(v model.Values, is func(string) bool) verdict {
	return of((len(v.In) == 0 || slices.ContainsFunc(v.In, is)) && !slices.ContainsFunc(v.NotIn, is))
}

// http is check for what a connection does not have.
func http(v model.Values, r *Request, is func(string) bool) verdict {
	if r.TCP && !v.Empty() {
		return absent
	}
	return check(v, is)
}

func source(s model.AuthorizationSource, namespace string, r *Request) []verdict {
	return []verdict{
		check(s.Principals, func(v string) bool { return principal(v, r.Principal) }),
		check(s.Namespaces, func(v string) bool { return ofNamespace(v, r.Principal) }),
		check(s.ServiceAccounts, func(v string) bool { return ofAccount(v, namespace, r.Principal) }),
		check(s.TrustDomains, func(v string) bool { return ofTrustDomain(v, r.Principal) }),
		check(s.IPBlocks, func(v string) bool { return within(v, r.SourceIP) }),
		check(s.RemoteIPBlocks, func(v string) bool { return within(v, r.RemoteIP) }),
		http(s.RequestPrincipals, r, func(v string) bool { return requestPrincipal(v, r.Claims) }),
	}
}

func operation(o model.AuthorizationOperation, r *Request) []verdict {
	return []verdict{
		http(o.Hosts, r, func(v string) bool { return text(strings.ToLower(v), strings.ToLower(r.Host)) }),
		http(o.Methods, r, func(v string) bool { return text(v, r.Method) }),
		http(o.Paths, r, func(v string) bool { return text(v, r.plainPath()) }),
		check(o.Ports, func(v string) bool { return v == strconv.FormatUint(uint64(r.DestinationPort), 10) }),
	}
}

func condition(c model.AuthorizationCondition, namespace string, r *Request) verdict {
	name, argument, _ := strings.Cut(c.Key, "[")
	switch name {
	case "request.headers":
		value, found := r.header(strings.TrimSuffix(argument, "]"))
		return http(c.Values, r, func(v string) bool { return found && text(v, value) })
	case "source.ip":
		return check(c.Values, func(v string) bool { return within(v, r.SourceIP) })
	case "remote.ip":
		return check(c.Values, func(v string) bool { return within(v, r.RemoteIP) })
	case "source.namespace":
		return check(c.Values, func(v string) bool { return ofNamespace(v, r.Principal) })
	case "source.principal":
		return check(c.Values, func(v string) bool { return principal(v, r.Principal) })
	case "source.serviceAccount":
		return check(c.Values, func(v string) bool { return ofAccount(v, namespace, r.Principal) })
	case "destination.ip":
		return check(c.Values, func(v string) bool { return within(v, r.DestinationIP) })
	case "destination.port":
		return check(c.Values, func(v string) bool { return v == strconv.FormatUint(uint64(r.DestinationPort), 10) })
	case "connection.sni":
		return check(c.Values, func(v string) bool { return text(v, r.SNI) })
	case "request.auth.principal":
		return http(c.Values, r, func(v string) bool { return requestPrincipal(v, r.Claims) })
	case "request.auth.audiences":
		return http(c.Values, r, func(v string) bool { return claim(v, r.Claims, "aud") })
	case "request.auth.presenter":
		return http(c.Values, r, func(v string) bool { return claim(v, r.Claims, "azp") })
	case "request.auth.claims":
		path := strings.Split(strings.TrimSuffix(argument, "]"), "][")
		return http(c.Values, r, func(v string) bool { return claim(v, r.Claims, path...) })
	}
	return no // the reader of rules knows no other key
}

// text compares with "exact", "prefix*", "*suffix" or "*", which is anything that is not empty.
func text(want, have string) bool {
	switch {
	case want == "*":
		return have != ""
	case strings.HasPrefix(want, "*"):
		return strings.HasSuffix(have, want[1:])
	case strings.HasSuffix(want, "*"):
		return strings.HasPrefix(have, want[:len(want)-1])
	}
	return want == have
}

const scheme = "spiffe://"

func principal(want, have string) bool {
	if !strings.HasPrefix(want, "*") {
		want = scheme + strings.TrimPrefix(want, scheme)
	}
	return have != "" && text(want, have)
}

// parts takes spiffe://domain/ns/namespace/sa/account apart.
func parts(id string) (domain, namespace, account string, ok bool) {
	p := strings.Split(strings.TrimPrefix(id, scheme), "/")
	if !strings.HasPrefix(id, scheme) || len(p) != 5 || p[1] != "ns" || p[3] != "sa" {
		return "", "", "", false
	}
	return p[0], p[2], p[4], true
}

func ofNamespace(want, id string) bool {
	_, namespace, _, ok := parts(id)
	return ok && text(want, namespace)
}

func ofTrustDomain(want, id string) bool {
	domain, _, _, ok := parts(id)
	return ok && text(want, domain)
}

// ofAccount compares namespace/name, or a name in the policy's namespace.
func ofAccount(want, policyNamespace, id string) bool {
	_, namespace, account, ok := parts(id)
	if !strings.Contains(want, "/") {
		want = policyNamespace + "/" + want
	}
	return ok && want == namespace+"/"+account
}

func within(block string, ip netip.Addr) bool {
	prefix, err := netip.ParsePrefix(block)
	if err != nil {
		addr, err := netip.ParseAddr(block)
		return err == nil && addr == ip
	}
	return prefix.Contains(ip)
}

// requestPrincipal compares with issuer/subject.
func requestPrincipal(want string, claims map[string]any) bool {
	issuer, _ := claims["iss"].(string)
	subject, _ := claims["sub"].(string)
	return issuer != "" && subject != "" && text(want, issuer+"/"+subject)
}

// claim compares with a claim, or with each of a list.
func claim(want string, claims map[string]any, path ...string) bool {
	var at any = claims
	for _, name := range path {
		m, ok := at.(map[string]any)
		if !ok {
			return false
		}
		at = m[name]
	}
	switch v := at.(type) {
	case string:
		return text(want, v)
	case []any:
		return slices.ContainsFunc(v, func(one any) bool {
			s, ok := one.(string)
			return ok && text(want, s)
		})
	}
	return false
}
