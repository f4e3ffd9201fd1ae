package serve

import (
	"context"
	"strconv"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// response is a finished answer to a watch; it implements go-control-plane's cache.DeltaResponse.
type response struct {
	request *discoveryv3.DeltaDiscoveryRequest
	body    *discoveryv3.DeltaDiscoveryResponse
}

func (r *response) GetDeltaDiscoveryResponse() (*discoveryv3.DeltaDiscoveryResponse, error) {
	return r.body, nil
}
func (r *response) GetDeltaRequest() *discoveryv3.DeltaDiscoveryRequest { return r.request }
func (r *response) GetSystemVersion() (string, error)                   { return r.body.GetSystemVersionInfo(), nil }

func (r *response) GetResponseVersion() string { return r.body.GetSystemVersionInfo() }

func (r *response) GetContext() context.Context { return context.Background() }

// GetNextVersionMap and GetReturnedResources are for caches that keep no state of their own.
func (r *response) GetNextVersionMap() map[string]string    { return nil }
func (r *response) GetReturnedResources() map[string]string { return nil }

func versionText(v uint64) string { return strconv.FormatUint(v, 10) }
