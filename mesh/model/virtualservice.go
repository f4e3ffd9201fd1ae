package model

import (
	"time"

	"github.com/squallmesh/squall/mesh/diag"
)

// MeshGateway names all sidecars in the gateways of a rule.
const MeshGateway = "mesh"

// VirtualService says where requests for its hosts go.
type VirtualService struct {
	Name, Namespace string
	// Hosts as full names or wildcards (*.example.com).
	Hosts []string
	// Gateways as namespace/name, or MeshGateway. Never empty.
	Gateways []string
	// ExportTo lists the namespaces of the callers: "*" or empty all, "." its own.
	ExportTo []string
	// HTTP, TLS and TCP routes in the order of evaluation. Delegates are already in place.
	HTTP []*HTTPRoute
	TLS  []*TLSRoute
	TCP  []*TCPRoute
	Pos  diag.Pos
}

// Key is namespace/name.
func (v *VirtualService) Key() string { return v.Namespace + "/" + v.Name }

// VisibleFrom reports whether callers of the namespace see the rule.
func (v *VirtualService) VisibleFrom(namespace string) bool {
	return exported(v.ExportTo, v.Namespace, namespace)
}

// HTTPRoute is one rule of a VirtualService: the first of its matches that holds takes the request.
type HTTPRoute struct {
	// Name of the route; empty reads "default" in logs.
	Name string
	// Match lists alternatives; empty matches every request.
	Match []*HTTPMatch
	// Exactly one of Redirect, DirectResponse and Destinations is set.
	Redirect       *Redirect
	DirectResponse *DirectResponse
	Destinations   []*Destination
	Rewrite        *Rewrite
	// Timeout of the whole exchange, retries included; 0 is off.
	Timeout time.Duration
	// Retries; nil takes the mesh's default (2 attempts).
	Retries *RetryPolicy
	Fault   *Fault
	Mirrors []*Mirror
	CORS    *CORS
	Headers *HeaderOps
	Pos     diag.Pos
}

// Destination is a share of a route's requests.
type Destination struct {
	// Host is the full name of a service, Subset one of its DestinationRule's or empty.
	Host, Subset string
	// Port of the service; 0 takes the only port, else the one that was called.
	Port uint32
	// Weight among the route's destinations. A single destination of weight 0 takes all.
	Weight uint32
	// Headers changed on this share alone.
	Headers *HeaderOps
	Pos     diag.Pos
}

// RetryPolicy says which failed attempts are made again. Source: Istio's HTTPRetry.
type RetryPolicy struct {
	// Attempts beyond the first; 0 is none.
	Attempts uint32
	// PerTryTimeout of one attempt; 0 takes the route's timeout.
	PerTryTimeout time.Duration
	// RetryOn lists conditions, separated by commas, status codes among them; empty takes the default.
	RetryOn string
	// Backoff is the base interval; 0 takes Envoy's 25 ms.
	Backoff time.Duration
	// RetryRemoteLocalities lets retries leave the locality.
	RetryRemoteLocalities bool
	// AllowPreviousHosts lets a retry go to a host already tried (retryIgnorePreviousHosts: false).
	AllowPreviousHosts bool
	Pos                diag.Pos
}

// Fault is what a rule breaks on purpose, on the caller's side.
type Fault struct {
	Delay *Delay
	Abort *Abort
	Pos   diag.Pos
}

// Delay holds requests before they are sent.
type Delay struct {
	// Fixed time.
	Fixed time.Duration
	// Percent of the requests, 0 to 100.
	Percent float64
}

// Abort answers requests without sending them.
type Abort struct {
	// HTTPStatus to answer, or GRPCStatus (a number); exactly one is set.
	HTTPStatus uint32
	GRPCStatus *uint32
	// Percent of the requests, 0 to 100.
	Percent float64
}

// Mirror sends copies of requests and ignores their answers.
type Mirror struct {
	Host, Subset string
	Port         uint32
	// Percent of the requests, 0 to 100.
	Percent float64
	Pos     diag.Pos
}

// Redirect answers with a new address.
type Redirect struct {
	// Path replaces the whole path, PrefixPath the matched prefix; at most one is set.
	Path, PrefixPath string
	// Authority and Scheme replace theirs if set.
	Authority, Scheme string
	// Port replaces the port if not 0. DerivePort is "", FROM_PROTOCOL_DEFAULT or FROM_REQUEST_PORT.
	Port       uint32
	DerivePort string
	// Code is the status, 301 by default.
	Code uint32
}

// DirectResponse answers at the proxy.
type DirectResponse struct {
	Status uint32
	Body   string
}

// Rewrite changes a request before it is sent.
type Rewrite struct {
	// URI replaces the matched prefix, or the whole path for other matches.
	URI string
	// Authority replaces the Host header.
	Authority string
	// Regex and Substitution rewrite the path by RE2; both or neither is set.
	Regex, Substitution string
}

// Header is a name and a value.
type Header struct{ Name, Value string }

// HeaderOps changes headers, each list sorted by name.
type HeaderOps struct {
	RequestSet, RequestAdd   []Header
	RequestRemove            []string
	ResponseSet, ResponseAdd []Header
	ResponseRemove           []string
}

// CORS is a cross-origin policy.
type CORS struct {
	AllowOrigins                              []StringMatch
	AllowMethods, AllowHeaders, ExposeHeaders []string
	// MaxAge of a preflight answer; 0 sends none.
	MaxAge time.Duration
	// AllowCredentials is nil where the rule does not say.
	AllowCredentials *bool
	// ForwardNotMatching sends preflights of unknown origins on; nil takes Istio's default (forward).
	ForwardNotMatching *bool
}

// TCPRoute sends connections.
type TCPRoute struct {
	Match        []*L4Match
	Destinations []*Destination
	Pos          diag.Pos
}

// TLSRoute sends TLS connections by their SNI, without ending TLS.
type TLSRoute struct {
	Match        []*L4Match
	Destinations []*Destination
	Pos          diag.Pos
}

// L4Match is a set of conditions on a connection, which must all hold.
type L4Match struct {
	// SNIHosts apply to TLS routes.
	SNIHosts []string
	// Subnets of the destination, as CIDR.
	Subnets []string
	// Port that is called; 0 any.
	Port            uint32
	SourceLabels    map[string]string
	SourceNamespace string
	Gateways        []string
	Pos             diag.Pos
}
