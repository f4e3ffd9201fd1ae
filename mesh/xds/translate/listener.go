package translate

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/squallmesh/squall/mesh/model"
)

func newListener(name string, at model.Socket, direction corev3.TrafficDirection, filters ...*listenerv3.Filter) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:             name,
		Address:          socket(at),
		TrafficDirection: direction,
		FilterChains:     []*listenerv3.FilterChain{{Filters: filters}},
	}
}

func listenerName(at model.Socket) string { return fmt.Sprintf("%s_%d", at.Address, at.Port) }
