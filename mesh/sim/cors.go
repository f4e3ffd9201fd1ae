package sim

import (
	"strconv"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
)

// corsDecision is what CORS adds to answers for a message whose origin is allowed.
type corsDecision struct{ headers []model.Header }

// corsOf decides a message: what is added to its answer, and the answer to a preflight request.
// Source: Envoy's filter envoy.filters.http.cors.
func (m *Mesh) corsOf(c *model.CORS, x *Message) (*corsDecision, AnswerID) {
	origin, ok := x.Header("origin")
	if !ok || origin == "" {
		return nil, NoAnswer
	}
	_, asks := x.Header("access-control-request-method")
	preflight := x.Method == "OPTIONS" && asks
	if !allowed(c, origin) {
		if preflight && c.ForwardNotMatching != nil && !*c.ForwardNotMatching {
			return nil, m.answers.of(Answer{Status: 200})
		}
		return nil, NoAnswer
	}
	base := []model.Header{{Name: "access-control-allow-origin", Value: origin}}
	add := func(to []model.Header, name, value string) []model.Header {
		if value == "" {
			return to
		}
		return append(to, model.Header{Name: name, Value: value})
	}
	if c.AllowCredentials != nil && *c.AllowCredentials {
		base = add(base, "access-control-allow-credentials", "true")
	}
	if preflight {
		base = add(base, "access-control-allow-methods", strings.Join(c.AllowMethods, ","))
		base = add(base, "access-control-allow-headers", strings.Join(c.AllowHeaders, ","))
		if c.MaxAge > 0 {
			base = add(base, "access-control-max-age", strconv.Itoa(int(c.MaxAge.Seconds())))
		}
		return nil, m.answers.of(Answer{Status: 200, Headers: sortHeaders(base)})
	}
	return &corsDecision{add(base, "access-control-expose-headers", strings.Join(c.ExposeHeaders, ","))}, NoAnswer
}

func allowed(c *model.CORS, origin string) bool {
	for _, o := range c.AllowOrigins {
		// Refused has found what cannot be read.
		if t, err := match.NewText(o); err == nil && t.Matches(origin) {
			return true
		}
	}
	return false
}

// corsHeaders adds what the decision says to an answer.
func (m *Mesh) corsHeaders(id AnswerID, d *corsDecision) AnswerID {
	a := *m.Answer(id)
	a.Headers = setHeaders(a.Headers, d.headers, nil, nil)
	return m.answers.of(a)
}
