package sim

import (
	"fmt"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// redirect is the answer of a redirecting route. The query of the request is kept where the rule gives a path without one.
func redirect(d *model.Redirect, x *Message) Answer {
	scheme, authority, path := x.Scheme, x.Authority, x.Path
	if d.Scheme != "" {
		scheme = d.Scheme
	}
	if d.Authority != "" {
		authority = d.Authority
	}
	if d.Port != 0 {
		host, _, _ := strings.Cut(authority, ":")
		authority = fmt.Sprintf("%s:%d", host, d.Port)
	}
	if d.Path != "" {
		_, query, found := strings.Cut(path, "?")
		path = d.Path
		if found && !strings.Contains(d.Path, "?") {
			path += "?" + query
		}
	}
	code := int(d.Code)
	if code == 0 {
		code = 301
	}
	return Answer{Status: code, Headers: []model.Header{{Name: "location", Value: scheme + "://" + authority + path}}}
}

// directAnswer is what a route answers by itself.
func directAnswer(d *model.DirectResponse) Answer {
	a := Answer{Status: int(d.Status), Body: d.Body}
	if d.Body != "" {
		a.Headers = []model.Header{{Name: "content-type", Value: "text/plain"}}
	}
	return a
}
