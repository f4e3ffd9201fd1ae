package config

import (
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// matches converts the conditions of an HTTP route.
func (c *routes) matches(in []*networking.HTTPMatchRequest, path string) []*model.HTTPMatch {
	var out []*model.HTTPMatch
	names := map[string]bool{}
	for i, m := range in {
		p := at(path, i)
		if m.Name != "" && names[m.Name] {
			c.errorf("DUPLICATE-NAME", p+".name", "the name %q is used by another match of this route", m.Name)
		}
		names[m.Name] = true
		out = append(out, c.match(m, p))
	}
	return out
}

func (c *routes) match(in *networking.HTTPMatchRequest, path string) *model.HTTPMatch {
	out := &model.HTTPMatch{
		Name:            in.Name,
		URI:             c.stringMatch(in.Uri, path+".uri"),
		IgnoreURICase:   in.IgnoreUriCase,
		Scheme:          c.stringMatch(in.Scheme, path+".scheme"),
		Method:          c.stringMatch(in.Method, path+".method"),
		Authority:       c.stringMatch(in.Authority, path+".authority"),
		Headers:         c.namedMatches(in.Headers, path+".headers", true),
		WithoutHeaders:  c.namedMatches(in.WithoutHeaders, path+".withoutHeaders", true),
		QueryParams:     c.namedMatches(in.QueryParams, path+".queryParams", false),
		SourceLabels:    copyLabels(in.SourceLabels),
		SourceNamespace: in.SourceNamespace,
		Gateways:        c.matchGateways(in.Gateways, path+".gateways"),
		Port:            in.Port,
		Pos:             c.pos(path),
	}
	if in.Port > 65535 {
		c.port(in.Port, path+".port")
	}
	return out
}

// stringMatch converts a comparison that must compare something.
func (c *routes) stringMatch(in *networking.StringMatch, path string) *model.StringMatch {
	if in == nil {
		return nil
	}
	out := c.comparison(in, path)
	if out.Kind == model.Present {
		if !c.doc.damaged(path) {
			c.errorf("MISSING-FIELD", path, "%s compares with nothing", lastName(path))
			c.hint("say one of exact, prefix, regex")
		}
		return nil
	}
	return &out
}

func (c *routes) comparison(in *networking.StringMatch, path string) model.StringMatch {
	switch v := in.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return model.StringMatch{Kind: model.Exact, Value: v.Exact}
	case *networking.StringMatch_Prefix:
		return model.StringMatch{Kind: model.Prefix, Value: v.Prefix}
	case *networking.StringMatch_Regex:
		c.regex(v.Regex, path+".regex")
		return model.StringMatch{Kind: model.Regex, Value: v.Regex}
	}
	return model.StringMatch{Kind: model.Present}
}

// namedMatches converts the comparisons of headers (whose names know no case) or of query parameters, sorted by name.
func (c *routes) namedMatches(in map[string]*networking.StringMatch, path string, headers bool) []model.NamedMatch {
	out := make([]model.NamedMatch, 0, len(in))
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		p := joinPath(path, name)
		key := name
		if headers {
			if key = strings.ToLower(name); strings.HasPrefix(name, "@") {
				key = c.claim(name, p)
			} else {
				c.headerName(name, p)
			}
		}
		if seen[key] {
			c.errorf("DUPLICATE-HEADER", p, "the header %q occurs twice", name)
			c.hint("names of headers know no capital letters")
			continue
		}
		seen[key] = true
		out = append(out, model.NamedMatch{Name: key, StringMatch: c.comparison(in[name], p)})
	}
	slices.SortFunc(out, func(a, b model.NamedMatch) int { return strings.Compare(a.Name, b.Name) })
	if len(out) == 0 {
		return nil
	}
	return out
}

// matchGateways resolves the gateways of a match, which must be among the rule's.
func (c *routes) matchGateways(in []string, path string) []string {
	var out []string
	for i, g := range in {
		key := gatewayKey(g, c.doc.Namespace)
		if !slices.Contains(c.gateways, key) && !c.delegate {
			c.errorf("UNKNOWN-GATEWAY", at(path, i), "the gateway %q is not among the rule's gateways", g)
			c.hint("add it to spec.gateways; without that list a rule holds for %q alone", model.MeshGateway)
		}
		out = append(out, key)
	}
	return out
}

// catchesAll reports whether a match holds for every request of the host.
func catchesAll(m *model.HTTPMatch) bool {
	return (m.URI == nil || m.URI.Kind == model.Prefix && (m.URI.Value == "/" || m.URI.Value == "") || m.URI.Kind == model.Regex && (m.URI.Value == ".*" || m.URI.Value == "/.*")) &&
		m.Scheme == nil && m.Method == nil && m.Authority == nil && len(m.Headers) == 0 && len(m.WithoutHeaders) == 0 && len(m.QueryParams) == 0 &&
		len(m.SourceLabels) == 0 && m.SourceNamespace == "" && len(m.Gateways) == 0 && m.Port == 0
}

func copyLabels(in map[string]string) map[string]string {
	if len(in) == 0 {
		return nil
	}
	return maps.Clone(in)
}
