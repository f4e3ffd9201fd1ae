package eval_test

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/xds/eval"
)

// The words are few, so that conditions and requests meet often.
var (
	paths     = []string{"/", "/a", "/a/b", "/A/b", "/ab", "/b/1", "/b/22", "/B", "/a/./b", "/b/../a", "/a//b"}
	queries   = []string{"", "", "?v=1", "?v=%31", "?v=22&w", "?w=x&v=3", "?v", "?vv=1", "?v=1=2"}
	methods   = []string{"GET", "GET", "POST", "PUT", "DELETE"}
	users     = []string{"jason", "jane", "j", ""}
	devices   = []string{"phone", "pad"}
	uriExact  = []string{"/a", "/a/b", "/ab", "/b/1"}
	uriPrefix = []string{"/", "/a", "/a/", "/b"}
	uriRegex  = []string{"/a.*", "/b/[0-9]+", "/(a|ab|b)", "/[aA]/b", ".*"}
)

const (
	port = 9080
	web  = 80
)

// ports of every service in the tests.
var ports = []model.Port{{Name: "http", Number: port, Protocol: model.HTTP}, {Name: "http-web", Number: web, Protocol: model.HTTP}}

func fullHost(name string) string { return name + ".default.svc.cluster.local" }

// someRule draws a rule for a service. Its routes answer themselves, each with its number.
func someRule(t *rapid.T, name string) *model.VirtualService {
	v := &model.VirtualService{Name: name, Namespace: "default", Hosts: []string{fullHost(name)}, Gateways: []string{model.MeshGateway}}
	for i := range rapid.IntRange(2, 6).Draw(t, "routes") {
		h := &model.HTTPRoute{Name: fmt.Sprintf("route-%d", i), DirectResponse: &model.DirectResponse{Status: 200, Body: outcome(i)}}
		least := 1
		if i > 0 && rapid.IntRange(0, 5).Draw(t, "catches all") == 0 {
			least = 0
		}
		for range rapid.IntRange(least, 3*least).Draw(t, "matches") {
			h.Match = append(h.Match, someMatch(t, name))
		}
		v.HTTP = append(v.HTTP, h)
	}
	return v
}

// someMatch draws one or two conditions.
func someMatch(t *rapid.T, name string) *model.HTTPMatch {
	m := &model.HTTPMatch{}
	kinds := []string{
		"uri", "uri", "uri", "uri", "method", "method", "authority", "authority", "scheme", "scheme", "header", "header", "header", "without", "without", "without",
		"query", "query", "query", "labels", "namespace", "port",
	}
	for range rapid.IntRange(1, 2).Draw(t, "conditions") {
		switch rapid.SampledFrom(kinds).Draw(t, "condition") {
		case "uri":
			m.URI = someString(t, uriExact, uriPrefix, uriRegex)
			m.IgnoreURICase = rapid.Bool().Draw(t, "any case") && m.URI.Kind != model.Regex
		case "method":
			m.Method = someString(t, methods, []string{"P", "G"}, []string{"P.*", "(GET|PUT)"})
		case "authority":
			m.Authority = someString(t, []string{name, name + ":9080"}, []string{name + ".", name}, []string{name, name + `\..*`, ".*:9080"})
		case "scheme":
			m.Scheme = someString(t, []string{"http", "https"}, []string{"http", "https", "https"}, []string{"https?", "https", "h"})
		case "header":
			m.Headers = []model.NamedMatch{someNamed(t, "x-user", users[:3], []string{"j", "ja"}, []string{"ja.*", "j[a-z]*"})}
		case "without":
			m.WithoutHeaders = []model.NamedMatch{someNamed(t, "x-device", append([]string{""}, devices...), []string{"p", "ph"}, []string{"p.*", "[a-z]*"})}
		case "query":
			m.QueryParams = []model.NamedMatch{someNamed(t, "v", []string{"1", "22", "1=2"}, []string{"1", "2"}, []string{"[0-9]+", "2*"})}
		case "labels":
			m.SourceLabels = map[string]string{"app": rapid.SampledFrom([]string{"caller", "other"}).Draw(t, "app")}
		case "namespace":
			m.SourceNamespace = rapid.SampledFrom([]string{"default", "elsewhere"}).Draw(t, "namespace")
		case "port":
			m.Port = rapid.SampledFrom([]uint32{port, web}).Draw(t, "port")
		}
	}
	return m
}

func someString(t *rapid.T, exact, prefix, regex []string) *model.StringMatch {
	kind := rapid.SampledFrom([]model.MatchKind{model.Exact, model.Prefix, model.Regex}).Draw(t, "kind")
	values := map[model.MatchKind][]string{model.Exact: exact, model.Prefix: prefix, model.Regex: regex}[kind]
	return &model.StringMatch{Kind: kind, Value: rapid.SampledFrom(values).Draw(t, "value")}
}

func someNamed(t *rapid.T, name string, exact, prefix, regex []string) model.NamedMatch {
	if rapid.IntRange(0, 3).Draw(t, "present") == 0 {
		return model.NamedMatch{Name: name, StringMatch: model.StringMatch{Kind: model.Present}}
	}
	return model.NamedMatch{Name: name, StringMatch: *someString(t, exact, prefix, regex)}
}

// call is a request and the port that it is for.
type call struct {
	eval.Request
	port uint32
}

// someCall draws a request to a service, under any of its names; plain ones are those that a client can send to a proxy
// without TLS.
func someCall(t *rapid.T, name string, plain bool) call {
	c := call{port: rapid.SampledFrom([]uint32{port, port, web}).Draw(t, "port")}
	authority := rapid.SampledFrom([]string{name, name, name + ".default", name + ".default.svc", fullHost(name), strings.ToUpper(name[:1]) + name[1:]}).Draw(t, "authority")
	if c.port != web || rapid.Bool().Draw(t, "names the port") {
		authority += fmt.Sprintf(":%d", c.port)
	}
	c.Request = eval.Request{
		Method: rapid.SampledFrom(methods).Draw(t, "method"), Scheme: "http", Authority: authority,
		Path: rapid.SampledFrom(paths).Draw(t, "path") + rapid.SampledFrom(queries).Draw(t, "query"), Header: map[string][]string{},
	}
	if !plain && rapid.IntRange(0, 2).Draw(t, "https") == 0 {
		c.Scheme = "https"
	}
	if rapid.Bool().Draw(t, "has a user") {
		c.Header["x-user"] = []string{rapid.SampledFrom(users).Draw(t, "user")}
	}
	if rapid.Bool().Draw(t, "has a device") {
		c.Header["x-device"] = []string{rapid.SampledFrom(devices).Draw(t, "device")}
	}
	return c
}
