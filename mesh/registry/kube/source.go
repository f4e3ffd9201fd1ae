package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/registry"
	"github.com/squallmesh/squall/mesh/registry/static"
)

// Sidecars says what tells pods of the mesh from others.
type Sidecars struct {
	// NamespaceLabel with NamespaceValue marks namespaces whose pods ought to have one.
	NamespaceLabel, NamespaceValue string
	// Wanted tells whether a pod of such a namespace that has none ought to.
	Wanted func(*core.Pod) bool
	// Container is the name of a sidecar, Annotation of the pod says what it is made of.
	Container, Annotation string
	// Ignored is a label of pods and services that are somebody else's.
	Ignored string
}

// Source follows the Services, Pods and Namespaces of a cluster. Which pods are ready it takes from their condition Ready, which the cluster's
// EndpointSlices are made of.
type Source struct {
	sidecars   Sidecars
	factory    informers.SharedInformerFactory
	pods       listers.PodLister
	services   listers.ServiceLister
	namespaces listers.NamespaceLister
	changed    chan struct{}
}

// Follow gives a source that knows the cluster, and follows it until the context ends.
func Follow(ctx context.Context, c kubernetes.Interface, s Sidecars) (*Source, error) {
	f := informers.NewSharedInformerFactory(c, 0)
	v1 := f.Core().V1()
	out := &Source{
		sidecars: s, factory: f, pods: v1.Pods().Lister(), services: v1.Services().Lister(), namespaces: v1.Namespaces().Lister(),
		changed: make(chan struct{}, 1),
	}
	tell := func(any) {
		select {
		case out.changed <- struct{}{}:
		default: // it is told already
		}
	}
	var synced []cache.InformerSynced
	for _, i := range []cache.SharedIndexInformer{v1.Pods().Informer(), v1.Services().Informer(), v1.Namespaces().Informer()} {
		r, err := i.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: tell, UpdateFunc: func(_, o any) { tell(o) }, DeleteFunc: tell})
		if err != nil {
			return nil, fmt.Errorf("follow the cluster: %w", err)
		}
		synced = append(synced, r.HasSynced)
	}
	f.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		f.Shutdown()
		return nil, fmt.Errorf("follow the cluster: %w", context.Cause(ctx))
	}
	return out, nil
}

// Wait returns when the context of Follow has ended and nothing is followed any more.
func (s *Source) Wait() { s.factory.Shutdown() }

// Changed gets a value when State may give something else.
func (s *Source) Changed() <-chan struct{} { return s.changed }

// State is what the cluster has now: the services of namespaces with pods of the mesh, those pods, and those that lack a sidecar. Services
// without a selector are left to the network: what they stand for is not known here.
func (s *Source) State() (registry.State, error) {
	all, err := s.pods.List(labels.Everything())
	if err != nil {
		return registry.State{}, fmt.Errorf("pods: %w", err)
	}
	slices.SortFunc(all, func(a, b *core.Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	meshed := map[string]bool{}
	namespaces, err := s.namespaces.List(labels.SelectorFromSet(labels.Set{s.sidecars.NamespaceLabel: s.sidecars.NamespaceValue}))
	if err != nil {
		return registry.State{}, fmt.Errorf("namespaces: %w", err)
	}
	labelled := map[string]bool{}
	for _, n := range namespaces {
		labelled[n.Name], meshed[n.Name] = true, true
	}
	var out registry.State
	var bare []*core.Pod
	for _, p := range all {
		switch {
		case p.Labels[s.sidecars.Ignored] != "" || p.Spec.HostNetwork || over(p):
		case s.has(p):
			meshed[p.Namespace] = true
			if started(p, s.sidecars.Container) {
				out.Pods = append(out.Pods, s.pod(p))
			}
		default:
			bare = append(bare, p)
		}
	}
	services, err := s.services.List(labels.Everything())
	if err != nil {
		return registry.State{}, fmt.Errorf("services: %w", err)
	}
	services = slices.DeleteFunc(slices.Clone(services), func(v *core.Service) bool {
		return !meshed[v.Namespace] || v.Labels[s.sidecars.Ignored] != "" || len(v.Spec.Selector) == 0
	})
	slices.SortFunc(services, func(a, b *core.Service) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	for _, v := range services {
		file, err := manifest(v)
		if err != nil {
			return out, err
		}
		out.Services = append(out.Services, file)
	}
	for _, p := range bare {
		behind := slices.ContainsFunc(services, func(v *core.Service) bool {
			return v.Namespace == p.Namespace && model.Labels(p.Labels, v.Spec.Selector)
		})
		if behind || labelled[p.Namespace] && s.sidecars.Wanted(p) {
			out.Bare = append(out.Bare, s.pod(p))
		}
	}
	return out, nil
}

func (s *Source) has(p *core.Pod) bool {
	return slices.ContainsFunc(p.Spec.InitContainers, func(c core.Container) bool { return c.Name == s.sidecars.Container })
}

// over tells that a pod has ended or is about to.
func over(p *core.Pod) bool {
	return p.DeletionTimestamp != nil || p.Status.Phase == core.PodSucceeded || p.Status.Phase == core.PodFailed
}

// started tells that a pod's sidecar runs.
func started(p *core.Pod, container string) bool {
	return p.Status.PodIP != "" && slices.ContainsFunc(p.Status.InitContainerStatuses, func(c core.ContainerStatus) bool {
		return c.Name == container && c.State.Running != nil
	})
}

func (s *Source) pod(p *core.Pod) registry.Pod {
	out := registry.Pod{
		Instance: static.Instance{
			Name: p.Name, Owner: owner(p), Namespace: p.Namespace, ServiceAccount: p.Spec.ServiceAccountName, Labels: p.Labels,
			Locality: model.ParseLocality(p.Labels["istio-locality"]), Pos: diag.Pos{File: "Pod " + p.Namespace + "/" + p.Name},
		},
		UID: string(p.UID), Address: p.Status.PodIP, Sidecar: p.Annotations[s.sidecars.Annotation],
		Ready: slices.ContainsFunc(p.Status.Conditions, func(c core.PodCondition) bool {
			return c.Type == core.PodReady && c.Status == core.ConditionTrue
		}),
	}
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			out.ContainerPorts = append(out.ContainerPorts, static.ContainerPort{Name: port.Name, Number: uint32(max(0, port.ContainerPort))})
		}
	}
	return out
}

// owner is the Deployment behind a pod, by the name of its ReplicaSet; else whatever owns it; else itself.
func owner(p *core.Pod) string {
	for _, o := range p.OwnerReferences {
		if o.Controller == nil || !*o.Controller {
			continue
		}
		if hash := p.Labels["pod-template-hash"]; o.Kind == "ReplicaSet" && hash != "" {
			return strings.TrimSuffix(o.Name, "-"+hash)
		}
		return o.Name
	}
	return p.Name
}

// manifest is a service as a user would write it, with its address.
func manifest(v *core.Service) (config.File, error) {
	text, err := json.MarshalIndent(map[string]any{
		"apiVersion": "v1", "kind": "Service",
		"metadata": meta.ObjectMeta{Name: v.Name, Namespace: v.Namespace, Labels: v.Labels, Annotations: exported(v.Annotations)},
		"spec":     core.ServiceSpec{Type: v.Spec.Type, Selector: v.Spec.Selector, ClusterIP: v.Spec.ClusterIP, Ports: v.Spec.Ports},
	}, "", " ")
	return config.File{Name: fmt.Sprintf("Service %s/%s", v.Namespace, v.Name), Data: text}, err
}

// exported keeps the annotation that means something to the mesh.
func exported(all map[string]string) map[string]string {
	const name = "networking.istio.io/exportTo"
	if v, ok := all[name]; ok {
		return map[string]string{name: v}
	}
	return nil
}
