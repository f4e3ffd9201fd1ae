package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	rbachttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

// connectionManager describes an HTTP connection manager; each carries every HTTP filter, so that rules need no
// listener update.
type connectionManager struct {
	statPrefix string
	table      string
	direction  corev3.TrafficDirection
	// edge is a gateway's: the client's own address and headers count.
	edge bool
	// tunnels says that it takes CONNECT.
	tunnels bool
	// mutual says that its connections have mTLS: the app is told who calls.
	mutual bool
}

func (r *reader) httpFilter(cm connectionManager) *listenerv3.Filter {
	hcm := &hcmv3.HttpConnectionManager{
		StatPrefix: statName(cm.statPrefix),
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			ConfigSource: ads(), RouteConfigName: cm.table,
		}},
		HttpFilters:               httpFilters(cm),
		StreamIdleTimeout:         duration(0),
		NormalizePath:             wrapperspb.Bool(true),
		UseRemoteAddress:          wrapperspb.Bool(cm.edge),
		PreserveExternalRequestId: true,
		ServerName:                "istio-envoy",
		AccessLog:                 r.accessLogs(cm.direction, httpEvidence),
		UpgradeConfigs:            []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
	}
	r.trace(hcm, cm.direction)
	if cm.mutual {
		hcm.ForwardClientCertDetails = hcmv3.HttpConnectionManager_APPEND_FORWARD
		if cm.edge { // nobody vouches for what a client from outside says of others
			hcm.ForwardClientCertDetails = hcmv3.HttpConnectionManager_SANITIZE_SET
		}
		hcm.SetCurrentClientCertDetails = &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{
			Subject: wrapperspb.Bool(true), Dns: true, Uri: true,
		}
	}
	if cm.tunnels {
		takeTunnels(hcm)
	}
	return networkFilter("envoy.filters.network.http_connection_manager", hcm)
}

func httpFilters(cm connectionManager) []*hcmv3.HttpFilter {
	filter := func(name string, m proto.Message) *hcmv3.HttpFilter {
		return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(m)}}
	}
	var out []*hcmv3.HttpFilter
	if cm.edge || cm.direction == corev3.TrafficDirection_INBOUND {
		out = append(out,
			filter(AuthorizationFilter(model.Custom), &rbachttpv3.RBAC{ShadowRulesStatPrefix: customPrefix}),
			discovered(providerFilter, providerTypeURL),
			discovered(jwtFilter, jwtTypeURL),
		)
		for _, action := range authorizationActions {
			out = append(out, filter(AuthorizationFilter(action), &rbachttpv3.RBAC{ShadowRulesStatPrefix: dryRunPrefix(action)}))
		}
		// Behind them, so that who is refused uses up nobody's quota.
		out = append(out, discovered(localQuotaFilter, localQuotaTypeURL), discovered(globalQuotaFilter, globalQuotaTypeURL))
	}
	if cm.direction == corev3.TrafficDirection_OUTBOUND {
		out = append(out, filter(FaultFilter, &faultv3.HTTPFault{}))
		for i := range LeaseFilters {
			out = append(out, filter(LeaseFilter(i), &faultv3.HTTPFault{}))
		}
	}
	return append(out,
		filter(CORSFilter, &corsv3.Cors{}),
		filter("envoy.filters.http.router", &routerv3.Router{}),
	)
}

func networkFilter(name string, m proto.Message) *listenerv3.Filter {
	return &listenerv3.Filter{Name: name, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(m)}}
}
