package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
	meshapi "istio.io/api/mesh/v1alpha1"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// providerTimeout is how long a provider may think (Istio's).
const providerTimeout = 600 * time.Second

// extensionProviders reads the setting of that name. The settings are a text within a document, whose place all findings have.
func (r reporter) extensionProviders(node *yaml.Node, path string, out *model.Mesh) {
	var found diag.List
	inner := &decoder{file: r.pos(path).File, places: places{}, diags: &found}
	const name = "extensionProviders"
	out.Providers, out.Tracers, out.Logs, out.MetricsProviders = nil, nil, nil, nil
	if inner.sequence(node, name, name) {
		names := map[string]bool{}
		for i, item := range node.Content {
			at := at(name, i)
			before := len(found)
			in := &meshapi.MeshConfig_ExtensionProvider{}
			unquotePorts(item)
			inner.message(item, in.ProtoReflect(), at, name)
			p := &providerReader{r, path, at}
			damaged := len(found) > before
			if p.telemetry(in, damaged, out) {
				// of traces, metrics or logs
			} else if one := p.read(in, damaged); one != nil {
				one.Pos = r.pos(path)
				out.Providers = append(out.Providers, one)
			}
			if in.Name != "" && names[in.Name] {
				p.errorf("DUPLICATE-NAME", "name", "two providers are named %q", shorten(in.Name))
			}
			names[in.Name] = true
		}
	}
	for _, d := range found {
		d.Message = d.Path + ": " + d.Message
		d.Pos, d.Path = r.pos(path), path
		r.diags.Add(d)
	}
}

// unquotePorts makes numbers of ports that are written as texts, as all of Istio's examples do.
func unquotePorts(n *yaml.Node) {
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		value := n.Content[i+1]
		if _, err := strconv.ParseUint(value.Value, 10, 16); err == nil && n.Content[i].Value == "port" {
			value.Tag, value.Style = "!!int", 0
		}
		unquotePorts(value)
	}
}

// providerReader reports findings about one provider.
type providerReader struct {
	r    reporter
	path string
	at   string
}

func (p *providerReader) errorf(code, field, format string, args ...any) {
	where := p.at
	if field != "" {
		where += "." + field
	}
	p.r.errorf(code, p.path, "%s: %s", where, fmt.Sprintf(format, args...))
}

// read converts a provider. Damaged says that some field could not be decoded, so that its absence means nothing.
func (p *providerReader) read(in *meshapi.MeshConfig_ExtensionProvider, damaged bool) *model.ExtensionProvider {
	out := &model.ExtensionProvider{Name: in.Name, Timeout: providerTimeout}
	if in.Name == "" && !damaged {
		p.errorf("MISSING-FIELD", "name", "a provider needs a name, by which policies call it")
	}
	switch {
	case in.GetEnvoyExtAuthzGrpc() != nil:
		g := in.GetEnvoyExtAuthzGrpc()
		out.GRPC = true
		p.common(out, providerFields{"envoyExtAuthzGrpc", g.Service, g.Port, g.StatusOnError}, damaged)
		out.FailOpen, out.ClearRouteCache, out.Body = g.FailOpen, g.ClearRouteCache, p.body(g.IncludeRequestBodyInCheck)
		if g.Timeout != nil {
			out.Timeout = p.r.duration(g.Timeout, p.path, false)
		}
	case in.GetEnvoyExtAuthzHttp() != nil:
		h := in.GetEnvoyExtAuthzHttp()
		p.common(out, providerFields{"envoyExtAuthzHttp", h.Service, h.Port, h.StatusOnError}, damaged)
		out.FailOpen, out.ClearRouteCache, out.Body = h.FailOpen, h.ClearRouteCache, p.body(h.IncludeRequestBodyInCheck)
		if h.Timeout != nil {
			out.Timeout = p.r.duration(h.Timeout, p.path, false)
		}
		out.PathPrefix = h.PathPrefix
		if h.PathPrefix != "" && !strings.HasPrefix(h.PathPrefix, "/") {
			p.errorf("BAD-VALUE", "envoyExtAuthzHttp.pathPrefix", "a path begins with /")
		}
		out.RequestHeaders = p.headers(h.IncludeRequestHeadersInCheck, "includeRequestHeadersInCheck")
		out.UpstreamOnAllow = p.headers(h.HeadersToUpstreamOnAllow, "headersToUpstreamOnAllow")
		out.DownstreamOnAllow = p.headers(h.HeadersToDownstreamOnAllow, "headersToDownstreamOnAllow")
		out.DownstreamOnDeny = p.headers(h.HeadersToDownstreamOnDeny, "headersToDownstreamOnDeny")
		for _, name := range slices.Sorted(maps.Keys(h.IncludeAdditionalHeadersInCheck)) {
			p.headers([]string{name}, "includeAdditionalHeadersInCheck")
			out.AdditionalHeaders = append(out.AdditionalHeaders, model.Header{Name: name, Value: h.IncludeAdditionalHeadersInCheck[name]})
		}
	default:
		if !damaged {
			p.errorf("MISSING-FIELD", "", "a provider is an envoyExtAuthzGrpc, envoyExtAuthzHttp, envoyFileAccessLog, opentelemetry, prometheus or zipkin here")
		}
	}
	return out
}

// providerFields are those that both kinds have.
type providerFields struct {
	kind, service string
	port          uint32
	status        string
}

func (p *providerReader) common(out *model.ExtensionProvider, f providerFields, damaged bool) {
	out.Host, out.Port, out.StatusOnError = f.service, f.port, 403
	if namespace, host, found := strings.Cut(f.service, "/"); found { // Istio's namespace/host
		out.Host = host
		if namespace == "" {
			p.errorf("BAD-VALUE", f.kind+".service", "%q names no namespace before the /", shorten(f.service))
		}
	}
	if f.service == "" && !damaged {
		p.errorf("MISSING-FIELD", f.kind+".service", "which service is asked?")
	}
	if (f.port < 1 || f.port > 65535) && !damaged {
		p.errorf("BAD-PORT", f.kind+".port", "a port lies between 1 and 65535, not at %d", f.port)
	}
	if f.status != "" {
		n, err := strconv.ParseUint(f.status, 10, 16)
		if err != nil || n < 400 || n > 599 {
			p.errorf("BAD-VALUE", f.kind+".statusOnError", "%q is no status of an error, 400 to 599", shorten(f.status))
			return
		}
		out.StatusOnError = uint32(n)
	}
}

func (p *providerReader) body(in *meshapi.MeshConfig_ExtensionProvider_EnvoyExternalAuthorizationRequestBody) *model.CheckedBody {
	if in == nil {
		return nil
	}
	if in.MaxRequestBytes == 0 {
		p.errorf("MISSING-FIELD", "includeRequestBodyInCheck.maxRequestBytes", "how much of a body is sent? At least 1 byte")
	}
	return &model.CheckedBody{MaxBytes: in.MaxRequestBytes, AllowPartial: in.AllowPartialMessage, Bytes: in.PackAsBytes}
}

// headers checks names, which may begin or end with a star.
func (p *providerReader) headers(list []string, field string) []string {
	for _, name := range list {
		if bare := strings.TrimSuffix(strings.TrimPrefix(name, "*"), "*"); bare == "" && name != "*" || bare != "" && !headerToken.MatchString(bare) || strings.Count(name, "*") > 1 {
			p.errorf("BAD-HEADER", "envoyExtAuthzHttp."+field, "%q is no name of a header", shorten(name))
		}
	}
	return slices.Clone(list)
}

// custom checks a policy that leaves the decision to a provider.
func (r reporter) custom(p *model.AuthorizationPolicy) {
	const field = "spec.provider.name"
	if p.DryRun {
		r.errorf("UNSUPPORTED-FIELD", "metadata.annotations", "a policy with the action CUSTOM has no dry run")
	}
	for i, rule := range p.Rules {
		path := at("spec.rules", i)
		for k, s := range rule.From {
			if !s.RequestPrincipals.Empty() {
				r.errorf("NEVER-MATCHES", at(path+".from", k)+".source.requestPrincipals", "providers are asked before tokens are looked at: nobody is known yet")
				r.hint("let the provider read the token, or say so in a second policy")
			}
		}
		for k, w := range rule.When {
			if strings.HasPrefix(w.Key, "request.auth.") {
				r.errorf("NEVER-MATCHES", at(path+".when", k)+".key", "providers are asked before tokens are looked at: %s is not known yet", shorten(w.Key))
				r.hint("let the provider read the token, or say so in a second policy")
			}
		}
	}
	if p.Provider == "" {
		r.missing(field, "a policy with the action CUSTOM needs a provider")
		r.hint("spec.provider.name is one of the extensionProviders in the mesh's settings (the ConfigMap %s of %s)", meshConfigName, r.build.snap.Mesh.RootNamespace)
		return
	}
	provider := r.build.snap.Mesh.Provider(p.Provider)
	if provider == nil {
		var names []string
		for _, one := range r.build.snap.Mesh.Providers {
			names = append(names, one.Name)
		}
		r.errorf("UNKNOWN-PROVIDER", field, "there is no provider %q", shorten(p.Provider))
		if len(names) == 0 {
			r.hint("declare it in extensionProviders of the mesh's settings (the ConfigMap %s of %s)", meshConfigName, r.build.snap.Mesh.RootNamespace)
			return
		}
		r.hint("%s", DidYouMean(p.Provider, names))
		return
	}
	r.provider(p, provider)
}

// provider checks that a provider can be asked.
func (r reporter) provider(p *model.AuthorizationPolicy, provider *model.ExtensionProvider) {
	const field = "spec.provider.name"
	svc := r.build.services.At(provider.Host)
	if svc == nil {
		r.errorf("UNKNOWN-HOST", field, "the provider %s asks %q, and no service has this full name", shorten(p.Provider), shorten(provider.Host))
		r.hint("%s", r.build.suggest(provider.Host, p.Namespace))
		return
	}
	for _, port := range svc.Ports {
		if port.Number != provider.Port {
			continue
		}
		if provider.GRPC && port.Protocol != model.GRPC && port.Protocol != model.HTTP2 {
			r.errorf("WRONG-PROTOCOL", field, "the provider %s is asked by gRPC, and port %d of %s speaks %s", shorten(p.Provider), provider.Port, provider.Host, port.Protocol)
			r.hint("name the port grpc")
		}
		if !provider.GRPC && !port.Protocol.IsHTTP() {
			r.errorf("WRONG-PROTOCOL", field, "the provider %s is asked by HTTP, and port %d of %s speaks %s", shorten(p.Provider), provider.Port, provider.Host, port.Protocol)
			r.hint("name the port http")
		}
		return
	}
	r.errorf("UNKNOWN-PORT", field, "the provider %s asks port %d, which %s does not have", shorten(p.Provider), provider.Port, provider.Host)
}

// oneProvider reports workloads for which two providers would be asked.
func (b *build) oneProvider() {
	said := map[string]bool{}
	for _, w := range b.snap.Workloads.All() {
		var first *model.AuthorizationPolicy
		for _, p := range b.snap.Authorizations(w.Namespace, w.Labels) {
			switch {
			case p.Action != model.Custom || p.Provider == "":
			case first == nil:
				first = p
			case first.Provider != p.Provider && !said[p.Key()]:
				said[p.Key()] = true
				b.diags.Errorf("TWO-PROVIDERS", p.Pos, "the workload %s would have two providers: %s, and %s of the policy %s (%s)", w.Name, p.Provider, first.Provider, first.Name, first.Pos)
				b.diags.Hint("one provider for each workload; narrow the selectors")
			}
		}
	}
}
