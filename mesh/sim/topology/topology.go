// Package topology has graphs of services that call each other, and the meshes that they make.
package topology

import (
	"fmt"
	"time"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/model/match"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/dist"
)

// Topology is a graph of services without cycles: a call leads to a service that stands later in the list.
type Topology struct {
	Services []Service
}

// Service is one service, whose instances are alike.
type Service struct {
	// Name is its host.
	Name string
	// Replicas are its instances; 0 means 1.
	Replicas int
	// Work is the time at work before the first call.
	Work dist.Distribution
	// Calls it makes for each request, one after the other, by the place of the service in the list.
	Calls []int
}

// Client is the id of the proxy at which loads arrive: a sidecar whose app only calls.
const Client = "sidecar~client.default"

// port of every service.
const port = 80

// Hops is how many calls a request to a service leads to, itself among them.
func (t *Topology) Hops(service int) float64 {
	hops := make([]float64, len(t.Services))
	for i := len(t.Services) - 1; i >= service; i-- {
		hops[i] = 1
		for _, to := range t.Services[i].Calls {
			hops[i] += hops[to]
		}
	}
	return hops[service]
}

// Mesh makes the mesh of a topology, in which every instance has a sidecar.
func (t *Topology) Mesh(o sim.Options) (*sim.Mesh, error) {
	snap := model.Snapshot{Mesh: model.DefaultMesh()}
	var proxies []*model.Proxy
	add := func(w *model.Workload) {
		proxies = append(proxies, &model.Proxy{ID: "sidecar~" + w.Name + "." + w.Namespace, Kind: model.Sidecar, Workload: w})
	}
	at := 0
	place := func(w *model.Workload) *model.Workload {
		w.Namespace, w.Address, w.ProxyPort = "default", fmt.Sprintf("10.%d.%d.%d", at>>16, at>>8&255, at&255), 15001
		at++
		return w
	}
	add(place(&model.Workload{Name: "client", Owner: "client"}))
	for i, s := range t.Services {
		for _, to := range s.Calls {
			if to <= i || to >= len(t.Services) {
				return nil, fmt.Errorf("%s calls service %d, which does not stand later in the list", s.Name, to)
			}
		}
		host := s.Name + ".default.svc.cluster.local"
		endpoints := &model.Endpoints{Host: host}
		for n := range max(1, s.Replicas) {
			w := place(&model.Workload{Name: fmt.Sprintf("%s-%d", s.Name, n), Owner: s.Name, Labels: map[string]string{"app": s.Name}})
			w.Inbound = []model.Inbound{{
				Host: host, Port: port, Protocol: model.HTTP,
				Listen: model.Socket{Address: w.Address, Port: 8080}, App: model.Socket{Address: w.Address, Port: 8080},
			}}
			add(w)
			endpoints.List = append(endpoints.List, model.Endpoint{
				Workload: w.Key(), Address: w.Address, Ports: map[uint32]uint32{port: 8080}, Labels: w.Labels, Health: model.Healthy,
			})
		}
		snap.Endpoints = snap.Endpoints.Set(host, endpoints)
		snap.Services = snap.Services.Set(host, &model.Service{
			Host: host, Name: s.Name, Namespace: "default", Resolution: model.Static,
			Ports: []model.Port{{Name: "http", Number: port, Protocol: model.HTTP}},
		})
	}
	m := sim.New(o)
	m.Apply(snap, proxies)
	for i := range t.Services {
		s := &t.Services[i]
		app := sim.App{Program: &caller{m, t, s}, Work: &s.Work}
		for n := range max(1, s.Replicas) {
			m.SetApp(fmt.Sprintf("default/%s-%d", s.Name, n), app)
		}
	}
	return m, nil
}

// Request is one to a service.
func (t *Topology) Request(service int) sim.Message {
	return sim.Message{Request: match.Request{Method: "GET", Scheme: "http", Authority: t.Services[service].Name, Path: "/"}}
}

// caller is the program of a service: it makes its calls and answers 200, or 503 once one of them fails.
type caller struct {
	mesh *sim.Mesh
	all  *Topology
	own  *Service
}

// Step implements sim.Program.
func (c *caller) Step(_ *sim.Message, answers []sim.AnswerID) sim.Step {
	for _, a := range answers {
		if status := c.mesh.Answer(a).Status; status == 0 || status >= 500 {
			return sim.Step{Answer: &sim.Answer{Status: 503}}
		}
	}
	if len(answers) == len(c.own.Calls) {
		return sim.Step{Answer: &sim.Answer{Status: 200}}
	}
	return sim.Step{Call: &sim.Call{Message: c.all.Request(c.own.Calls[len(answers)]), Timeout: callTimeout}}
}

// callTimeout is how long a service waits for another.
const callTimeout = 10 * time.Second
