package model

import (
	"time"

	"github.com/squallmesh/squall/mesh/diag"
)

// ExtensionProvider is a service that is asked about requests: an AuthorizationPolicy with the action CUSTOM names it.
type ExtensionProvider struct {
	Name string
	// Host and Port are a service of the mesh, by its full name.
	Host string
	Port uint32
	// GRPC asks by envoy.service.auth.v3; else by HTTP, with the request's own method and path.
	GRPC    bool
	Timeout time.Duration
	// FailOpen lets requests pass when the service does not answer; else they are refused with StatusOnError.
	FailOpen      bool
	StatusOnError uint32
	// ClearRouteCache routes a request again with the headers that the service added.
	ClearRouteCache bool
	// Body sends the beginning of the request's body along; nil sends none.
	Body *CheckedBody
	// The rest is for HTTP alone. PathPrefix goes before the request's path.
	PathPrefix string
	// RequestHeaders of the request are sent along, beside host, method, path, content-length and authorization. Each name is exact, "prefix*" or
	// "*suffix"; so are those below.
	RequestHeaders []string
	// AdditionalHeaders are sent along too, in the order of their names.
	AdditionalHeaders []Header
	// UpstreamOnAllow, DownstreamOnAllow and DownstreamOnDeny are headers of the answer that go on to the app, or back to the caller.
	UpstreamOnAllow, DownstreamOnAllow, DownstreamOnDeny []string
	Pos                                                  diag.Pos
}

// CheckedBody is how much of a body is sent to a provider.
type CheckedBody struct {
	// MaxBytes; a longer body is a 413, unless AllowPartial sends its beginning.
	MaxBytes            uint32
	AllowPartial, Bytes bool
}

// Provider finds an extension provider by its name, or gives nil.
func (m *Mesh) Provider(name string) *ExtensionProvider {
	for _, p := range m.Providers {
		if p.Name == name {
			return p
		}
	}
	return nil
}
