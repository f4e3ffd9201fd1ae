package kube_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/squallmesh/squall/mesh/registry"
	"github.com/squallmesh/squall/mesh/registry/kube"
)

// pod is one of a Deployment, with a sidecar or without.
func pod(namespace, deployment string, sidecar, ready bool) *core.Pod {
	p := &core.Pod{ObjectMeta: meta.ObjectMeta{
		Name: deployment + "-5d9c-x", Namespace: namespace, UID: "1",
		Labels:          map[string]string{"app": deployment, "pod-template-hash": "5d9c"},
		OwnerReferences: []meta.OwnerReference{{Kind: "ReplicaSet", Name: deployment + "-5d9c", Controller: new(true)}},
	}}
	p.Spec.ServiceAccountName = "bookshop"
	p.Spec.Containers = []core.Container{{Name: "app", Ports: []core.ContainerPort{{Name: "web", ContainerPort: 9080}}}}
	p.Status.PodIP = "198.18.64.7"
	if sidecar {
		p.Spec.InitContainers = []core.Container{{Name: "proxy"}}
		p.Status.InitContainerStatuses = []core.ContainerStatus{{Name: "proxy", State: core.ContainerState{Running: &core.ContainerStateRunning{}}}}
	}
	if ready {
		p.Status.Conditions = []core.PodCondition{{Type: core.PodReady, Status: core.ConditionTrue}}
	}
	return p
}

func service(namespace, name string, selector map[string]string) *core.Service {
	return &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       core.ServiceSpec{Selector: selector, ClusterIP: "198.18.32.9", Ports: []core.ServicePort{{Name: "http", Port: 80}}},
	}
}

func names(list []registry.Pod) (out []string) {
	for _, p := range list {
		out = append(out, p.Key())
	}
	return out
}

func TestTheClusterAsASource(t *testing.T) {
	cluster := fake.NewClientset(
		&core.Namespace{ObjectMeta: meta.ObjectMeta{Name: "shop", Labels: map[string]string{"injection": "on"}}},
		&core.Namespace{ObjectMeta: meta.ObjectMeta{Name: "other"}},
		&core.Namespace{ObjectMeta: meta.ObjectMeta{Name: "quiet"}},
		pod("shop", "reviews", true, true), pod("shop", "late", true, false), pod("shop", "bare", false, true),
		pod("other", "single", true, true), pod("other", "behind", false, true), pod("other", "beside", false, true),
		pod("quiet", "nobody", false, true),
		service("shop", "reviews", map[string]string{"app": "reviews"}), service("shop", "kubernetes", nil),
		service("other", "behind", map[string]string{"app": "behind"}), service("quiet", "nobody", map[string]string{"app": "nobody"}),
	)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s, err := kube.Follow(ctx, cluster, kube.Sidecars{
		NamespaceLabel: "injection", NamespaceValue: "on", Container: "proxy", Annotation: "sidecar", Ignored: "lab", Wanted: func(*core.Pod) bool { return true },
	})
	require.NoError(t, err)
	got, err := s.State()
	require.NoError(t, err)
	require.Equal(t, []string{"other/single-5d9c-x", "shop/late-5d9c-x", "shop/reviews-5d9c-x"}, names(got.Pods))
	require.Equal(t, []string{"other/behind-5d9c-x", "shop/bare-5d9c-x"}, names(got.Bare), "those of a labelled namespace, and those behind a service of the mesh")
	require.False(t, got.Pods[1].Ready)
	reviews := got.Pods[2]
	require.True(t, reviews.Ready)
	require.Equal(t, "reviews", reviews.Owner)
	require.Equal(t, "bookshop", reviews.ServiceAccount)
	require.Equal(t, "198.18.64.7", reviews.Address)
	require.EqualValues(t, 9080, reviews.ContainerPorts[0].Number)
	require.Len(t, got.Services, 2, "not those of namespaces without a mesh, nor those without a selector")
	require.Equal(t, "Service shop/reviews", got.Services[1].Name)
	require.Contains(t, string(got.Services[1].Data), "198.18.32.9")

	// What goes is told.
	for {
		select {
		case <-s.Changed():
			continue
		default:
		}
		break
	}
	require.NoError(t, cluster.CoreV1().Pods("shop").Delete(t.Context(), "reviews-5d9c-x", meta.DeleteOptions{}))
	require.Eventually(t, func() bool {
		select {
		case <-s.Changed():
		default:
			return false
		}
		got, err = s.State()
		return err == nil && len(got.Pods) == 2
	}, 10*time.Second, time.Millisecond)
	stop()
	s.Wait()
}
