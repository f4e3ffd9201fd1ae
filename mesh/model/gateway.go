package model

import "github.com/squallmesh/squall/mesh/diag"

// Gateway opens ports on the gateway proxies that its selector picks.
type Gateway struct {
	Name, Namespace string
	Selector        map[string]string
	Servers         []*Server
	Pos             diag.Pos
}

// Key is namespace/name.
func (g *Gateway) Key() string { return g.Namespace + "/" + g.Name }

// Server is one port of a gateway.
type Server struct {
	Name     string
	Port     uint32
	Protocol Protocol
	// Hosts that are served: names, wildcards, or "*"; a namespace/ prefix is kept apart.
	Hosts []GatewayHost
	// HTTPSRedirect answers plain requests with a redirect.
	HTTPSRedirect bool
	Pos           diag.Pos
}

// GatewayHost is a host of a server; Namespace is "*" unless the rule names one ("." is resolved).
type GatewayHost struct{ Namespace, Host string }
