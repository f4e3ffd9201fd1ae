package jwt

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
)

// place is where tokens are looked for: a header behind a prefix, a parameter of the query, or a cookie. One field names it.
type place struct{ header, prefix, parameter, cookie string }

// places of a rule; without any they are Envoy's defaults.
func places(rule *model.JWTRule) (out []place) {
	for _, h := range rule.FromHeaders {
		out = append(out, place{header: strings.ToLower(h.Name), prefix: h.Prefix})
	}
	for _, p := range rule.FromParams {
		out = append(out, place{parameter: p})
	}
	for _, c := range rule.FromCookies {
		out = append(out, place{cookie: c})
	}
	if len(out) == 0 {
		out = []place{{header: "authorization", prefix: "Bearer "}, {parameter: "access_token"}}
	}
	return out
}

// extract finds the tokens of a request at the places of rules: in headers, then parameters, then cookies, each by name.
func extract(rules []*model.JWTRule, r *match.Request) (out []token) {
	var all []token
	for _, rule := range rules {
		for _, p := range places(rule) {
			i := slices.IndexFunc(all, func(t token) bool { return t.at == p })
			if i < 0 {
				i = len(all)
				all = append(all, token{at: p})
			}
			all[i].issuers = append(all[i].issuers, rule.Issuer)
		}
	}
	slices.SortStableFunc(all, func(a, b token) int {
		return cmp.Or(
			cmp.Compare(a.at.cookie, b.at.cookie), cmp.Compare(a.at.parameter, b.at.parameter),
			cmp.Compare(a.at.header+a.at.prefix, b.at.header+b.at.prefix),
		)
	})
	for _, t := range all {
		for _, text := range t.at.find(r) {
			t.text = text
			out = append(out, t)
		}
	}
	return out
}

// ofToken are the characters of which tokens are made.
const ofToken = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

func (p place) find(r *match.Request) (out []string) {
	switch {
	case p.header != "":
		for _, h := range r.Headers {
			if !strings.EqualFold(h.Name, p.header) {
				continue
			}
			value := h.Value
			if p.prefix != "" {
				_, after, found := strings.Cut(value, p.prefix)
				if !found {
					continue
				}
				if i := strings.IndexAny(after, ofToken); i >= 0 {
					value = after[i:]
				}
			}
			out = append(out, value)
		}
	case p.parameter != "":
		_, query, _ := strings.Cut(r.Path, "?")
		if values, err := url.ParseQuery(query); err == nil && values.Has(p.parameter) {
			out = append(out, values.Get(p.parameter))
		}
	default:
		for _, h := range r.Headers {
			if !strings.EqualFold(h.Name, "cookie") {
				continue
			}
			for pair := range strings.SplitSeq(h.Value, ";") {
				if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); name == p.cookie {
					return []string{strings.Trim(value, `"`)}
				}
			}
		}
	}
	return out
}

// sanitize removes the headers that a rule fills, which clients must not send themselves.
func sanitize(r *match.Request, rule *model.JWTRule) {
	if rule.PayloadHeader != "" {
		remove(r, rule.PayloadHeader)
	}
	for _, h := range rule.ClaimHeaders {
		remove(r, h.Header)
	}
}

func remove(r *match.Request, name string) {
	r.Headers = slices.DeleteFunc(r.Headers, func(h model.Header) bool { return strings.EqualFold(h.Name, name) })
}

// accept makes of a request what follows from a token that holds.
func accept(r *match.Request, rule *model.JWTRule, t token, claims map[string]any) {
	add := func(name, value string) {
		r.Headers = append(r.Headers, model.Header{Name: strings.ToLower(name), Value: value})
	}
	if rule.PayloadHeader != "" {
		if payload, err := base64.RawURLEncoding.DecodeString(strings.Split(t.text, ".")[1]); err == nil {
			add(rule.PayloadHeader, base64.RawURLEncoding.EncodeToString(payload))
		}
	}
	for _, h := range rule.ClaimHeaders {
		if v := claimText(claims, h.Claim); v != "" {
			add(h.Header, v)
		}
	}
	if rule.Forward {
		return
	}
	switch {
	case t.at.header != "":
		remove(r, t.at.header)
	case t.at.parameter != "":
		withoutParameter(r, t.at.parameter)
	}
}

func withoutParameter(r *match.Request, name string) {
	path, query, _ := strings.Cut(r.Path, "?")
	var kept []string
	for pair := range strings.SplitSeq(query, "&") {
		if key, _, _ := strings.Cut(pair, "="); key != name && pair != "" {
			kept = append(kept, pair)
		}
	}
	if r.Path = path; len(kept) > 0 {
		r.Path += "?" + strings.Join(kept, "&")
	}
}

// claimText is a claim as a header has it: text, numbers and truth, by a path with dots; "" for anything else.
func claimText(claims map[string]any, path string) string {
	var at any = claims
	for name := range strings.SplitSeq(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = m[name]
	}
	switch v := at.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		if v >= 0 && v == math.Trunc(v) && v < 1<<63 {
			return strconv.FormatUint(uint64(v), 10)
		}
		return strconv.FormatFloat(v, 'f', 6, 64)
	}
	return ""
}

// Key is one text for equal claims.
func Key(claims map[string]any) string {
	if claims == nil {
		return ""
	}
	text, err := json.Marshal(claims) // sorts names
	if err != nil {
		return ""
	}
	return string(text)
}
