package config

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	security "istio.io/api/security/v1beta1"

	"github.com/squallmesh/squall/mesh/model"
)

// dryRun is Istio's annotation for policies on trial.
const dryRun = "istio.io/dry-run"

func (b *build) authorizationPolicy(doc *Document) *model.AuthorizationPolicy {
	in := doc.message.(*security.AuthorizationPolicy)
	r := b.reporter(doc)
	out := &model.AuthorizationPolicy{
		Name: doc.Name, Namespace: doc.Namespace, Selector: copyLabels(in.Selector.GetMatchLabels()),
		Action: model.AuthorizationAction(in.Action.String()), DryRun: r.dryRun(), Pos: doc.Pos,
	}
	out.Provider = in.GetProvider().GetName()
	if in.GetProvider() != nil && in.Action != security.AuthorizationPolicy_CUSTOM {
		r.errorf("EXCLUSIVE-FIELDS", "spec.provider", "a provider is for the action CUSTOM alone")
	}
	for i, rule := range in.Rules {
		path := at("spec.rules", i)
		next := &model.AuthorizationRule{Pos: r.pos(path)}
		for k, from := range rule.From {
			next.From = append(next.From, r.source(from.Source, at(path+".from", k)+".source"))
		}
		for k, to := range rule.To {
			next.To = append(next.To, r.operation(to.Operation, at(path+".to", k)+".operation"))
		}
		for k, when := range rule.When {
			next.When = append(next.When, r.condition(when, at(path+".when", k)))
		}
		out.Rules = append(out.Rules, next)
	}
	if out.Action == model.Custom {
		r.custom(out)
	}
	if len(in.Rules) == 0 && out.Action != model.Allow {
		r.warnf("NEVER-MATCHES", "spec", "without rules the policy matches nothing, and %s nothing", strings.ToLower(string(out.Action))+"s")
		r.hint("for everything: rules: [{}]")
	}
	return out
}

func (r reporter) dryRun() bool {
	text, found := r.doc.Annotations[dryRun]
	if !found {
		return false
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		r.errorf("BAD-VALUE", "metadata.annotations", "the annotation %s is true or false, not %q", dryRun, shorten(text))
	}
	return on
}

func (r reporter) source(in *security.Source, path string) model.AuthorizationSource {
	if in == nil {
		r.missing(path, "a from needs a source")
		return model.AuthorizationSource{}
	}
	v := func(list, not []string, name string, checks ...func(value, path string)) model.Values {
		return r.values(list, not, path, name, checks...)
	}
	out := model.AuthorizationSource{
		Principals:        v(in.Principals, in.NotPrincipals, "principals"),
		RequestPrincipals: v(in.RequestPrincipals, in.NotRequestPrincipals, "requestPrincipals"),
		Namespaces:        v(in.Namespaces, in.NotNamespaces, "namespaces", r.namespacePattern),
		ServiceAccounts:   v(in.ServiceAccounts, in.NotServiceAccounts, "serviceAccounts", r.accountName),
		TrustDomains:      v(in.TrustDomains, in.NotTrustDomains, "trustDomains"),
		IPBlocks:          v(in.IpBlocks, in.NotIpBlocks, "ipBlocks", r.block),
		RemoteIPBlocks:    v(in.RemoteIpBlocks, in.NotRemoteIpBlocks, "remoteIpBlocks", r.block),
	}
	accounts := !out.ServiceAccounts.Empty()
	if accounts && (!out.Principals.Empty() || !out.Namespaces.Empty()) {
		r.errorf("EXCLUSIVE-FIELDS", path+".serviceAccounts", "serviceAccounts excludes principals and namespaces")
	}
	if slices.IndexFunc([]model.Values{
		out.Principals, out.RequestPrincipals, out.Namespaces, out.ServiceAccounts, out.TrustDomains, out.IPBlocks, out.RemoteIPBlocks,
	}, func(v model.Values) bool { return !v.Empty() }) < 0 {
		r.missing(path, "an empty source says nothing")
		r.hint("name principals, namespaces or addresses; for everybody leave from out")
	}
	return out
}

func (r reporter) operation(in *security.Operation, path string) model.AuthorizationOperation {
	if in == nil {
		r.missing(path, "a to needs an operation")
		return model.AuthorizationOperation{}
	}
	out := model.AuthorizationOperation{
		Hosts:   r.values(in.Hosts, in.NotHosts, path, "hosts"),
		Ports:   r.values(in.Ports, in.NotPorts, path, "ports", r.portText),
		Methods: r.values(in.Methods, in.NotMethods, path, "methods"),
		Paths:   r.values(in.Paths, in.NotPaths, path, "paths", r.pathPattern),
	}
	if out.Hosts.Empty() && out.Ports.Empty() && out.Methods.Empty() && out.Paths.Empty() {
		r.missing(path, "an empty operation says nothing")
		r.hint("name hosts, ports, methods or paths; for everything leave to out")
	}
	return out
}

// conditionKeys are Istio's, with what a value of each must be. A key with true has an argument in brackets.
func (r reporter) conditionKeys() map[string]struct {
	argument bool
	check    func(value, path string)
} {
	type key = struct {
		argument bool
		check    func(value, path string)
	}
	return map[string]key{
		"request.headers": {argument: true}, "request.auth.claims": {argument: true},
		"request.auth.principal": {}, "request.auth.audiences": {}, "request.auth.presenter": {},
		"source.ip": {check: r.block}, "remote.ip": {check: r.block}, "destination.ip": {check: r.block},
		"source.namespace": {check: r.namespacePattern}, "source.principal": {}, "source.serviceAccount": {check: r.accountName},
		"destination.port": {check: r.portText}, "connection.sni": {},
	}
}

var conditionKey = regexp.MustCompile(`^([a-zA-Z.]+)((?:\[[^\[\]]+\])*)$`)

func (r reporter) condition(in *security.Condition, path string) model.AuthorizationCondition {
	keys := r.conditionKeys()
	out := model.AuthorizationCondition{Key: in.Key, Pos: r.pos(path)}
	m := conditionKey.FindStringSubmatch(in.Key)
	if m == nil {
		m = []string{"", in.Key, ""}
	}
	key, known := keys[m[1]]
	switch {
	case in.Key == "":
		r.missing(path+".key", "a condition needs a key")
	case !known || key.argument != (m[2] != "") || m[1] == "request.headers" && strings.Count(m[2], "[") > 1:
		r.errorf("BAD-VALUE", path+".key", "%q is no key of a condition here", shorten(in.Key))
		names := slices.Sorted(maps.Keys(keys))
		for i, n := range names {
			if keys[n].argument {
				names[i] = n + "[name]"
			}
		}
		r.hint("%s", DidYouMean(in.Key, names))
	}
	var checks []func(value, path string)
	if key.check != nil {
		checks = append(checks, key.check)
	}
	out.Values = r.values(in.Values, in.NotValues, path, "values", checks...)
	if out.Empty() {
		r.missing(path+".values", "a condition needs values or notValues")
	}
	return out
}

// values checks both lists of an attribute, name and notName.
func (r reporter) values(in, not []string, path, name string, checks ...func(value, path string)) model.Values {
	look := func(list []string, path string) []string {
		for i, v := range list {
			p := at(path, i)
			switch {
			case v == "":
				r.errorf("BAD-VALUE", p, "an empty value matches nothing")
			default:
				for _, check := range checks {
					check(v, p)
				}
			}
		}
		return slices.Clone(list)
	}
	return model.Values{In: look(in, path+"."+name), NotIn: look(not, path+".not"+strings.ToUpper(name[:1])+name[1:])}
}

func (r reporter) block(v, path string) {
	if _, err := netip.ParsePrefix(v); err == nil {
		return
	}
	if _, err := netip.ParseAddr(v); err != nil {
		r.errorf("BAD-VALUE", path, "%q is no address and no block of addresses", shorten(v))
		r.hint("write 10.1.2.3 or 10.1.0.0/16")
	}
}

func (r reporter) portText(v, path string) {
	if n, err := strconv.ParseUint(v, 10, 16); err != nil || n == 0 {
		r.errorf("BAD-PORT", path, "a port lies between 1 and 65535; this is %q", shorten(v))
	}
}

func (r reporter) pathPattern(v, path string) {
	if strings.ContainsAny(v, "{}") {
		r.errorf("UNSUPPORTED-FIELD", path, "templates in paths are not supported yet: %q", shorten(v))
		r.hint(`"/exact", "/prefix*", "*/suffix" and "*" are`)
	}
}

var (
	namespaceGlob = regexp.MustCompile(`^\*?[a-z0-9-]*\*?$`)
	accountName   = regexp.MustCompile(`^([a-z0-9-]+/)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
)

func (r reporter) namespacePattern(v, path string) {
	if !namespaceGlob.MatchString(v) || len(v) > 1 && strings.HasPrefix(v, "*") && strings.HasSuffix(v, "*") {
		r.errorf("BAD-VALUE", path, "%q is no namespace", shorten(v))
		r.hint("write prod, prod-*, *-eu or *")
	}
}

func (r reporter) accountName(v, path string) {
	if !accountName.MatchString(v) {
		r.errorf("BAD-VALUE", path, "%q is no service account", shorten(v))
		r.hint("write namespace/account, or account for one of the policy's namespace")
	}
}

func (b *build) authorizationPolicies() {
	want := map[string]*model.AuthorizationPolicy{}
	for _, doc := range b.set.ofKind(kindAuthorizationPolicy) {
		b.of(doc, func() {
			a := b.authorizationPolicy(doc)
			want[a.Key()] = a
		})
	}
	b.denials(want)
	b.snap = settleRules(b.snap, b.snap.AuthorizationPolicies, want, model.Snapshot.WithAuthorizationPolicy, model.Snapshot.WithoutAuthorizationPolicy)
	b.oneProvider()
}
