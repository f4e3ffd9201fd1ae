package translate

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

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

// buildPortListener gives the shared listener of one port's HTTP services, to which the kernel's redirection leads
// through the virtual listener (capture: redirect).
func buildPortListener(r *reader, port uint32) {
	at := model.Socket{Address: "0.0.0.0", Port: port}
	l := newListener(listenerName(at), at, corev3.TrafficDirection_OUTBOUND, r.httpFilter(connectionManager{
		statPrefix: "outbound_" + listenerName(at),
		table:      tableName(port),
		direction:  corev3.TrafficDirection_OUTBOUND,
	}))
	l.BindToPort = wrapperspb.Bool(false)
	r.add(Listener, l.GetName(), l)
}
