package eval

import (
	"github.com/squallmesh/squall/mesh/diag"
)

// Result is what becomes of a request, decision by decision.
type Result struct {
	Request  Request  `json:"request"`
	Listener Listener `json:"listener"`
	// TCP says that the listener passes bytes on and reads no requests: there are Shares, and no routes.
	TCP bool `json:"tcp,omitempty"`
	// Table is the route configuration, VirtualHost the one that was found in it, Domain the pattern by which.
	Table       string `json:"table,omitempty"`
	VirtualHost string `json:"virtualHost,omitempty"`
	Domain      string `json:"domain,omitempty"`
	// Routes are all of the virtual host, in order.
	Routes []Candidate `json:"routes,omitempty"`
	// Route is the index in Routes of the one that takes the request; -1 if none does.
	Route int `json:"route"`
	// Answer is what the proxy says itself; nil if it sends the request on.
	Answer *Answer `json:"answer,omitempty"`
	// Shares are the clusters that the request may go to; their Percent sum to 100. Empty where the proxy answers.
	Shares []Share `json:"shares,omitempty"`
	// Authority and Path are what is sent on: after rewrites.
	Authority string `json:"authority,omitempty"`
	Path      string `json:"path,omitempty"`
	// Settings of the route in force: timeout, retries, hash policy.
	Settings []Setting `json:"settings,omitempty"`
	// Faults that may hit the request, in the order of their filters.
	Faults []Fault `json:"faults,omitempty"`
	// Mirrors get copies.
	Mirrors []Mirror `json:"mirrors,omitempty"`
	// Headers are the edits of the route, in words: "request: set x-user = a".
	Headers []string `json:"headers,omitempty"`
}

// Taken is the route that takes the request, or nil.
func (r *Result) Taken() *Candidate {
	if r.Route < 0 || r.Route >= len(r.Routes) {
		return nil
	}
	return &r.Routes[r.Route]
}

// Shadowed are the routes that would take the request, were an earlier one not there.
func (r *Result) Shadowed() []Candidate {
	var out []Candidate
	for i, c := range r.Routes {
		if i > r.Route && r.Route >= 0 && c.Unmet == "" {
			out = append(out, c)
		}
	}
	return out
}

// Listener is what accepts the connection.
type Listener struct {
	Name string `json:"name"`
	// Address is host:port.
	Address string `json:"address"`
	// Via is the listener that captured the connection and handed it over; empty if none did.
	Via     string     `json:"via,omitempty"`
	Sources []diag.Pos `json:"sources,omitempty"`
}

// Candidate is a route that was looked at.
type Candidate struct {
	// Index in the virtual host, from 0.
	Index int    `json:"index"`
	Name  string `json:"name"`
	// Match is its conditions in words.
	Match string `json:"match"`
	// Unmet is the first condition that the request does not meet; empty if it meets all.
	Unmet string `json:"unmet,omitempty"`
	// Rule is where the route is written, Conditions where the match; zero for a route that no rule asks for.
	Rule       diag.Pos `json:"rule,omitzero"`
	Conditions diag.Pos `json:"conditions,omitzero"`
}

// Answer is what a proxy answers by itself.
type Answer struct {
	Status uint32 `json:"status"`
	// Why in words: no route, no virtual host, direct response, redirect.
	Why string `json:"why"`
	// Location of a redirect, Body of a direct response.
	Location string `json:"location,omitempty"`
	Body     string `json:"body,omitempty"`
}

// Share is a cluster and its part of the requests.
type Share struct {
	Cluster string  `json:"cluster"`
	Weight  uint32  `json:"weight"`
	Percent float64 `json:"percent"`
	// Missing says that the proxy has no such cluster: 503, flag NC.
	Missing   bool       `json:"missing,omitempty"`
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Settings of the cluster in force: load balancing, limits, outlier detection, connect timeout.
	Settings []Setting `json:"settings,omitempty"`
	// Sources are the places of the rules behind the cluster, the DestinationRule first.
	Sources []diag.Pos `json:"sources,omitempty"`
	// Headers are the edits of this share alone. Authority is what is sent on, where it has its own.
	Headers   []string `json:"headers,omitempty"`
	Authority string   `json:"authority,omitempty"`
}

// Endpoint is one place where a cluster sends.
type Endpoint struct {
	// Address is host:port.
	Address  string `json:"address"`
	Locality string `json:"locality,omitempty"`
	// Priority; 0 is first.
	Priority uint32 `json:"priority"`
	Weight   uint32 `json:"weight"`
	// Health as discovery says: HEALTHY, UNHEALTHY, DRAINING; an ejection is not seen here.
	Health string `json:"health"`
}

// Setting is one thing that is in force.
type Setting struct {
	// Name as in Istio's rules: timeout, retries.attempts, connectionPool.http.http1MaxPendingRequests.
	Name  string `json:"name"`
	Value string `json:"value"`
	// Default says that the value is that of a mesh without rules.
	Default bool `json:"default,omitempty"`
	// Rule is where it is written; zero here, since resources do not say it setting by setting. Those who have the rules fill
	// it in.
	Rule diag.Pos `json:"rule,omitzero"`
}

// Fault is what is broken on purpose.
type Fault struct {
	// Filter that does it.
	Filter string `json:"filter"`
	// Delay and Abort in words; at most one is empty.
	Delay string `json:"delay,omitempty"`
	Abort string `json:"abort,omitempty"`
}

// Mirror is a copy.
type Mirror struct {
	Cluster string  `json:"cluster"`
	Percent float64 `json:"percent"`
}
