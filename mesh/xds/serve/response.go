package serve

import (
	"context"
	"strconv"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// deltaResponse is a finished answer to a watch; it implements go-control-plane's cache.DeltaResponse.
type deltaResponse struct {
	request *discoveryv3.DeltaDiscoveryRequest
	body    *discoveryv3.DeltaDiscoveryResponse
}

func (r *deltaResponse) GetDeltaDiscoveryResponse() (*discoveryv3.DeltaDiscoveryResponse, error) {
	return r.body, nil
}
func (r *deltaResponse) GetDeltaRequest() *discoveryv3.DeltaDiscoveryRequest { return r.request }
func (r *deltaResponse) GetSystemVersion() (string, error)                   { return r.body.GetSystemVersionInfo(), nil }

func (r *deltaResponse) GetResponseVersion() string { return r.body.GetSystemVersionInfo() }

func (r *deltaResponse) GetContext() context.Context { return context.Background() }

// GetNextVersionMap and GetReturnedResources are for caches that keep no state of their own.
func (r *deltaResponse) GetNextVersionMap() map[string]string    { return nil }
func (r *deltaResponse) GetReturnedResources() map[string]string { return nil }

// fullResponse is deltaResponse for the state-of-the-world variant, go-control-plane's cache.Response.
type fullResponse struct {
	request *discoveryv3.DiscoveryRequest
	body    *discoveryv3.DiscoveryResponse
}

func (r *fullResponse) GetDiscoveryResponse() (*discoveryv3.DiscoveryResponse, error) {
	return r.body, nil
}
func (r *fullResponse) GetRequest() *discoveryv3.DiscoveryRequest { return r.request }
func (r *fullResponse) GetVersion() (string, error)               { return r.body.GetVersionInfo(), nil }

func (r *fullResponse) GetResponseVersion() string { return r.body.GetVersionInfo() }

func (r *fullResponse) GetContext() context.Context { return context.Background() }

// GetReturnedResources is for caches that keep no state of their own.
func (r *fullResponse) GetReturnedResources() map[string]string { return nil }

func versionText(v uint64) string { return strconv.FormatUint(v, 10) }
