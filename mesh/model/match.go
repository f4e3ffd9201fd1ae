package model

import "github.com/squallmesh/squall/mesh/diag"

// MatchKind is how a string is compared.
type MatchKind string

// The kinds of comparison. Present asks for any value.
const (
	Exact   MatchKind = "exact"
	Prefix  MatchKind = "prefix"
	Regex   MatchKind = "regex"
	Present MatchKind = "present"
)

// StringMatch compares a string. Regex is RE2 and must match the whole.
type StringMatch struct {
	Kind  MatchKind
	Value string
}

// NamedMatch compares the value of a header or a query parameter.
type NamedMatch struct {
	Name string
	StringMatch
}

// HTTPMatch is one set of conditions that must all hold. The zero value matches all requests.
type HTTPMatch struct {
	// Name of the match, joined to the route's name.
	Name string
	// URI compares the path; IgnoreURICase folds its case for exact and prefix.
	URI           *StringMatch
	IgnoreURICase bool
	// Scheme, Method and Authority compare the request's pseudo headers.
	Scheme, Method, Authority *StringMatch
	// Headers must match and WithoutHeaders must not, each sorted by name.
	Headers, WithoutHeaders []NamedMatch
	// QueryParams must match, sorted by name.
	QueryParams []NamedMatch
	// SourceLabels and SourceNamespace pick the callers.
	SourceLabels    map[string]string
	SourceNamespace string
	// Gateways pick where the match holds; empty takes the rule's.
	Gateways []string
	// Port of the host that is called; 0 any.
	Port uint32
	// Pos is where the match is written.
	Pos diag.Pos
}
