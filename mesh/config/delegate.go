package config

import (
	"maps"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// checkDelegate checks what a rule without hosts may say.
func (c *routes) checkDelegate() {
	for i, r := range c.in.Http {
		if r.Delegate == nil {
			continue
		}
		p := at("spec.http", i) + ".delegate"
		if r.Delegate.Name == "" {
			c.missing(p+".name", "a delegate needs a name")
		}
		if c.delegate {
			c.errorf("DELEGATE", p, "a rule that others delegate to cannot delegate itself")
			c.hint("only a rule with hosts delegates, one step deep")
		}
	}
	if !c.delegate {
		return
	}
	if len(c.in.Gateways) > 0 {
		c.errorf("DELEGATE", "spec.gateways", "a rule without hosts has no gateways: it takes those of the rule that delegates")
	}
	if len(c.in.Tls)+len(c.in.Tcp) > 0 {
		c.errorf("DELEGATE", "spec", "a rule without hosts has http routes only")
	}
}

// delegates puts the routes of delegates in place of the routes that name them, and reports rules without hosts that
// nobody delegates to.
func (b *build) delegates(rules []*convertedRule) {
	byKey := map[string]*convertedRule{}
	for _, r := range rules {
		byKey[r.rule.Key()] = r
	}
	used := map[string]bool{}
	for _, r := range rules {
		if r.routes.delegate {
			continue
		}
		var out []*model.HTTPRoute
		for i, route := range r.rule.HTTP {
			key := r.delegates[i]
			if key == "" {
				out = append(out, route)
				continue
			}
			if target := r.delegateOf(at("spec.http", i)+".delegate", key, byKey); target != nil {
				used[key] = true
				out = append(out, r.merged(route, target, at("spec.http", i))...)
			}
		}
		r.rule.HTTP = out
	}
	for _, r := range rules {
		if r.routes.delegate && !used[r.rule.Key()] && !r.routes.doc.damaged("spec.hosts") {
			r.routes.errorf("NO-HOSTS", "spec.hosts", "the VirtualService has no hosts, and no other delegates to it")
			r.routes.hint("name the hosts whose calls it rules")
		}
	}
}

func (r *convertedRule) delegateOf(path, key string, rules map[string]*convertedRule) *convertedRule {
	target := rules[key]
	ns, name, _ := strings.Cut(key, "/")
	switch {
	case name == "":
		return nil
	case target == nil:
		r.routes.errorf("DELEGATE", path, "there is no VirtualService %q in namespace %q to delegate to", name, ns)
		var names []string
		for _, other := range rules {
			if other.routes.delegate && other.rule.Namespace == ns {
				names = append(names, other.rule.Name)
			}
		}
		slices.Sort(names)
		r.routes.hint("%s", DidYouMean(name, names))
		return nil
	case target == r:
		r.routes.errorf("DELEGATE", path, "the VirtualService delegates to itself")
		return nil
	case !target.routes.delegate:
		r.routes.errorf("DELEGATE", path, "the VirtualService %q cannot be delegated to: it has hosts of its own (%s)", name, target.rule.Pos)
		r.routes.hint("delete its hosts")
		return nil
	case !target.rule.VisibleFrom(r.rule.Namespace):
		r.routes.errorf("DELEGATE", path, "the VirtualService %q is not exported to namespace %q", name, r.rule.Namespace)
		return nil
	}
	return target
}

// merged gives the delegate's routes under the conditions and settings of the route that delegates. Source: Istio's
// mergeHTTPRoutes.
func (r *convertedRule) merged(root *model.HTTPRoute, target *convertedRule, path string) []*model.HTTPRoute {
	var out []*model.HTTPRoute
	for i, sub := range target.rule.HTTP {
		if target.delegates[i] != "" {
			continue
		}
		match, ok := mergeMatches(root.Match, sub.Match)
		if !ok {
			target.routes.warnf("DELEGATE", at("spec.http", i), "this route is never reached from the route at %s: no request meets the conditions of both", root.Pos)
			continue
		}
		m := *sub
		m.Match = match
		switch {
		case m.Name == "":
			m.Name = root.Name
		case root.Name != "":
			m.Name = root.Name + "-" + m.Name
		}
		if m.Rewrite == nil {
			m.Rewrite = root.Rewrite
		}
		if m.Timeout == 0 && target.routes.in.Http[i].Timeout == nil {
			m.Timeout = root.Timeout
		}
		if m.Retries == nil {
			m.Retries = root.Retries
		}
		if m.Fault == nil {
			m.Fault = root.Fault
		}
		if m.CORS == nil {
			m.CORS = root.CORS
		}
		if m.Mirrors == nil {
			m.Mirrors = root.Mirrors
		}
		if m.Headers == nil {
			m.Headers = root.Headers
		}
		out = append(out, &m)
	}
	if len(out) == 0 && !target.routes.doc.damaged("spec.http") && !r.routes.doc.damaged(path) {
		r.routes.errorf("DELEGATE", path+".delegate", "nothing is left of the delegate %s under this route's conditions", target.rule.Name)
	}
	return out
}

// mergeMatches joins the alternatives of both sides; it says false where a delegate's alternative fits none of the root's.
func mergeMatches(root, sub []*model.HTTPMatch) ([]*model.HTTPMatch, bool) {
	if len(root) == 0 {
		return sub, true
	}
	if len(sub) == 0 {
		return root, true
	}
	var out []*model.HTTPMatch
	for _, s := range sub {
		found := false
		for _, r := range root {
			if !conflict(r, s) {
				found = true
				out = append(out, mergeMatch(r, s))
			}
		}
		if !found {
			return nil, false
		}
	}
	return out, true
}

func mergeMatch(root, sub *model.HTTPMatch) *model.HTTPMatch {
	out := *sub
	switch {
	case out.Name == "":
		out.Name = root.Name
	case root.Name != "":
		out.Name = root.Name + "-" + out.Name
	}
	if out.URI == nil {
		out.URI = root.URI
	}
	if out.Scheme == nil {
		out.Scheme = root.Scheme
	}
	if out.Method == nil {
		out.Method = root.Method
	}
	if out.Authority == nil {
		out.Authority = root.Authority
	}
	out.IgnoreURICase = root.IgnoreURICase || sub.IgnoreURICase
	out.Headers = mergeNamed(root.Headers, sub.Headers)
	out.WithoutHeaders = mergeNamed(root.WithoutHeaders, sub.WithoutHeaders)
	out.QueryParams = mergeNamed(root.QueryParams, sub.QueryParams)
	if len(root.SourceLabels) > 0 {
		out.SourceLabels = maps.Clone(root.SourceLabels)
		maps.Copy(out.SourceLabels, sub.SourceLabels)
	}
	if out.SourceNamespace == "" {
		out.SourceNamespace = root.SourceNamespace
	}
	if len(out.Gateways) == 0 {
		out.Gateways = root.Gateways
	}
	if out.Port == 0 {
		out.Port = root.Port
	}
	return &out
}

func mergeNamed(root, sub []model.NamedMatch) []model.NamedMatch {
	out := slices.Clone(sub)
	for _, r := range root {
		if find(sub, r.Name) == nil {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b model.NamedMatch) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func find(list []model.NamedMatch, name string) *model.StringMatch {
	for i := range list {
		if list[i].Name == name {
			return &list[i].StringMatch
		}
	}
	return nil
}

// conflict reports whether no request can meet both, or it cannot be told. Source: Istio's hasConflict.
func conflict(root, sub *model.HTTPMatch) bool {
	for _, p := range [][2]*model.StringMatch{{root.URI, sub.URI}, {root.Scheme, sub.Scheme}, {root.Method, sub.Method}, {root.Authority, sub.Authority}} {
		if stringConflict(p[0], p[1]) {
			return true
		}
	}
	for _, p := range [][2][]model.NamedMatch{{root.Headers, sub.Headers}, {root.WithoutHeaders, sub.WithoutHeaders}, {root.QueryParams, sub.QueryParams}} {
		for i := range p[1] {
			if stringConflict(find(p[0], p[1][i].Name), &p[1][i].StringMatch) {
				return true
			}
		}
	}
	for k, v := range sub.SourceLabels {
		if other, ok := root.SourceLabels[k]; ok && other != v {
			return true
		}
	}
	if len(root.Gateways) > 0 && len(sub.Gateways) > 0 && !subset(sub.Gateways, root.Gateways) {
		return true
	}
	return root.URI != nil && sub.URI != nil && root.IgnoreURICase != sub.IgnoreURICase ||
		root.Port != 0 && sub.Port != 0 && root.Port != sub.Port ||
		root.SourceNamespace != "" && sub.SourceNamespace != "" && root.SourceNamespace != sub.SourceNamespace
}

func subset(of, all []string) bool {
	for _, s := range of {
		if !slices.Contains(all, s) {
			return false
		}
	}
	return true
}

// stringConflict reports whether the narrower comparison is not within the wider.
func stringConflict(root, sub *model.StringMatch) bool {
	switch {
	case root == nil || sub == nil || root.Kind == model.Present || *root == *sub:
		return false
	case root.Kind == model.Prefix && (sub.Kind == model.Exact || sub.Kind == model.Prefix):
		return !strings.HasPrefix(sub.Value, root.Value)
	}
	return true
}
