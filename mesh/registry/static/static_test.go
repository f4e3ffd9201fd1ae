package static_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/registry/static"
)

var services = []*model.Service{
	{Host: "web.shop", Namespace: "shop", Selector: map[string]string{"app": "web"}, Ports: []model.Port{
		{Name: "http", Number: 80, Protocol: model.HTTP, TargetName: "main"},
		{Name: "admin", Number: 81, Protocol: model.HTTP, Target: 9000},
		{Name: "tcp", Number: 82, Protocol: model.TCP},
		{Name: "lost", Number: 83, Protocol: model.TCP, TargetName: "nowhere"},
	}},
	{Host: "all.shop", Namespace: "shop", Selector: map[string]string{"tier": "front"}, Ports: []model.Port{{Number: 80, Target: 8080}}},
	{Host: "web.other", Namespace: "other", Selector: map[string]string{"app": "web"}, Ports: []model.Port{{Number: 80}}},
	{Host: "outside", Namespace: "shop", Ports: []model.Port{{Number: 80}}},
}

func TestInboundResolvesTargets(t *testing.T) {
	inst := static.Instance{
		Name: "web-0", Namespace: "shop", Labels: map[string]string{"app": "web", "tier": "front"},
		ContainerPorts: []static.ContainerPort{{Name: "main", Number: 8080}},
	}
	require.Equal(t, []model.Inbound{
		{Host: "all.shop", Port: 80, App: model.Socket{Port: 8080}},
		{Host: "web.shop", Port: 80, Protocol: model.HTTP, App: model.Socket{Port: 8080}},
		{Host: "web.shop", Port: 81, Protocol: model.HTTP, App: model.Socket{Port: 9000}},
		{Host: "web.shop", Port: 82, Protocol: model.TCP, App: model.Socket{Port: 82}},
	}, static.Inbound(inst, services))
}

func TestEndpoints(t *testing.T) {
	labels := map[string]string{"app": "web"}
	redirect := &model.Workload{Name: "web-1", Namespace: "shop", Labels: labels, Address: "198.18.64.2", Inbound: []model.Inbound{
		{Host: "web.shop", Port: 80, App: model.Socket{Address: "127.0.0.1", Port: 8080}},
		{Host: "web.shop", Port: 82, App: model.Socket{Address: "127.0.0.1", Port: 82}},
	}}
	proxy := &model.Workload{Name: "web-0", Namespace: "shop", Labels: labels, Address: "127.0.0.9", Locality: model.Locality{Region: "eu"}, Inbound: []model.Inbound{
		{Host: "web.shop", Port: 80, Listen: model.Socket{Address: "127.0.0.9", Port: 15001}, App: model.Socket{Address: "127.0.0.9", Port: 20001}},
		{Host: "web.shop", Port: 999, Listen: model.Socket{Address: "127.0.0.9", Port: 15002}},
	}}
	stranger := &model.Workload{Name: "x", Namespace: "other", Labels: labels, Inbound: []model.Inbound{{Host: "web.shop", Port: 80}}}
	got := static.Endpoints(services, []*model.Workload{redirect, stranger, proxy})
	require.Equal(t, []*model.Endpoints{
		{Host: "web.shop", List: []model.Endpoint{
			{Workload: "shop/web-0", Address: "127.0.0.9", Ports: map[uint32]uint32{80: 15001}, Labels: labels, Locality: model.Locality{Region: "eu"}},
			{Workload: "shop/web-1", Address: "198.18.64.2", Ports: map[uint32]uint32{80: 8080, 82: 82}, Labels: labels},
		}},
		{Host: "all.shop"},
		{Host: "web.other"},
	}, got)
}
