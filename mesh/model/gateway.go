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
	// PortName tells the server from others of its gateway.
	PortName string
	// TLS is how connections are taken; nil is plain text.
	TLS *ServerTLS
	Pos diag.Pos
}

// ServerTLSMode is how a gateway takes TLS.
type ServerTLSMode string

// The modes: TLS ends here, with or without a certificate of the client (or with one if it has one); it goes on unopened; or it is the
// mesh's own.
const (
	ServerSimple         ServerTLSMode = "SIMPLE"
	ServerMutual         ServerTLSMode = "MUTUAL"
	ServerOptionalMutual ServerTLSMode = "OPTIONAL_MUTUAL"
	ServerPassthrough    ServerTLSMode = "PASSTHROUGH"
	ServerIstioMutual    ServerTLSMode = "ISTIO_MUTUAL"
)

// ServerTLS is the TLS of a gateway's server.
type ServerTLS struct {
	Mode ServerTLSMode
	// Credential names the Secret, in the namespace of the gateway's workload; empty for PASSTHROUGH and ISTIO_MUTUAL.
	Credential string
	// SubjectAltNames of which a client's certificate must have one; empty takes any.
	SubjectAltNames []string
	// MinVersion and MaxVersion are TLSV1_0 to TLSV1_3; empty takes TLSV1_2 and TLSV1_3. CipherSuites of TLS 1.2; empty takes Envoy's.
	MinVersion, MaxVersion string
	CipherSuites           []string
	Pos                    diag.Pos
}

// Ends reports whether TLS ends at the gateway, so that it reads what is inside.
func (t *ServerTLS) Ends() bool { return t != nil && t.Mode != ServerPassthrough }

// AsksClient reports whether clients are asked for a certificate.
func (t *ServerTLS) AsksClient() bool {
	return t != nil && (t.Mode == ServerMutual || t.Mode == ServerOptionalMutual || t.Mode == ServerIstioMutual)
}

// GatewayHost is a host of a server; Namespace is "*" unless the rule names one ("." is resolved).
type GatewayHost struct{ Namespace, Host string }
