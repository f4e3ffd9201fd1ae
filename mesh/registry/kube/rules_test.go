package kube_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/fake"
	kubernetesfake "k8s.io/client-go/kubernetes/fake"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/registry/kube"
	"github.com/squallmesh/squall/mesh/xds/serve"
)

var virtualServices = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}

// sink is a control plane that checks documents as the real one does.
type sink struct {
	// proxies is how many it says that it has.
	proxies int

	mu   sync.Mutex
	docs config.Set
}

func (s *sink) Apply(_ context.Context, req mesh.ApplyRequest) (mesh.ApplyResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	docs, problems := config.Parse(req.Files...)
	if err := problems.Err(); err != nil {
		return mesh.ApplyResponse{}, &mesh.ApplyError{Kind: mesh.KindInvalid, Message: err.Error()}
	}
	for _, r := range req.Remove {
		s.docs = s.docs.Without(r.Kind, r.Namespace, r.Name)
	}
	s.docs = s.docs.With(docs...)
	return mesh.ApplyResponse{Report: serve.Report{Proxies: make([]serve.ProxyReport, s.proxies)}}, nil
}

func (s *sink) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, d := range s.docs.Documents() {
		out = append(out, d.Kind+" "+d.Namespace+"/"+d.Name)
	}
	return out
}

func virtualService(name string, generation int64, spec map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
		"metadata": map[string]any{
			"name": name, "namespace": "shop", "generation": generation, "uid": "1",
			"managedFields": []any{}, "annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": "{}"},
		},
		"spec": spec,
	}}
}

func route(host string) map[string]any {
	return map[string]any{"hosts": []any{host}, "http": []any{map[string]any{"route": []any{map[string]any{"destination": map[string]any{"host": host}}}}}}
}

// cluster has the kinds, and some rules.
func cluster(rules ...runtime.Object) dynamic.Interface {
	kinds := map[schema.GroupVersionResource]string{virtualServices: "VirtualServiceList"}
	for _, plural := range []string{"destinationrules", "gateways", "serviceentries"} {
		kinds[schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: plural}] = plural + "List"
	}
	for _, plural := range []string{"authorizationpolicies", "peerauthentications", "requestauthentications"} {
		kinds[schema.GroupVersionResource{Group: "security.istio.io", Version: "v1", Resource: plural}] = plural + "List"
	}
	kinds[schema.GroupVersionResource{Group: "telemetry.istio.io", Version: "v1", Resource: "telemetries"}] = "TelemetryList"
	kinds[schema.GroupVersionResource{Group: "squall.dev", Version: "v1alpha1", Resource: "quotapolicies"}] = "QuotaPolicyList"
	kinds[schema.GroupVersionResource{Group: "squall.dev", Version: "v1alpha1", Resource: "healthcheckpolicies"}] = "HealthCheckPolicyList"
	kinds[schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1alpha3", Resource: "envoyfilters"}] = "EnvoyFilterList"
	kinds[schema.GroupVersionResource{Group: "squall.dev", Version: "v1alpha1", Resource: "revocations"}] = "RevocationList"
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds, rules...)
}

// status is what stands in a rule's condition.
func status(t *testing.T, client dynamic.Interface, name string) string {
	t.Helper()
	u, err := client.Resource(virtualServices).Namespace("shop").Get(t.Context(), name, meta.GetOptions{})
	require.NoError(t, err)
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	if len(list) != 1 {
		return ""
	}
	c := list[0].(map[string]any)
	return c["status"].(string) + " " + c["reason"].(string) + " " + c["message"].(string)
}

func TestRulesComeAndGo(t *testing.T) {
	client := cluster(virtualService("early", 1, route("early")))
	s := &sink{}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- kube.Watch(ctx, kube.Options{Client: client, Sink: s}) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	shows := func(want ...string) {
		t.Helper()
		require.Eventually(t, func() bool { return slices.Equal(s.names(), want) }, 10*time.Second, 5*time.Millisecond, "want %v", want)
	}
	all := client.Resource(virtualServices).Namespace("shop")

	shows("VirtualService shop/early")
	_, err := all.Create(t.Context(), virtualService("late", 1, route("late")), meta.CreateOptions{})
	require.NoError(t, err)
	shows("VirtualService shop/early", "VirtualService shop/late")
	require.Eventually(t, func() bool { return strings.HasPrefix(status(t, client, "late"), "True Effective") }, 10*time.Second, 5*time.Millisecond)

	// One that is wrong is told of, where its author looks, and changes nothing.
	wrong := virtualService("late", 2, map[string]any{"hosts": []any{"late"}, "htpp": []any{}})
	_, err = all.Update(t.Context(), wrong, meta.UpdateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.HasPrefix(status(t, client, "late"), "False Invalid") }, 10*time.Second, 5*time.Millisecond)
	require.Contains(t, status(t, client, "late"), "htpp")
	shows("VirtualService shop/early", "VirtualService shop/late")

	require.NoError(t, all.Delete(t.Context(), "early", meta.DeleteOptions{}))
	shows("VirtualService shop/late")
}

// Of several that watch a cluster one writes the status of rules; all give them to their meshes. When the writer ends the next one takes over,
// and says of all rules what they are in its mesh.
func TestOneOfSeveralWritesStatus(t *testing.T) {
	client, leases := cluster(), kubernetesfake.NewClientset()
	watch := func(name string, proxies int) (s *sink, end func()) {
		s = &sink{proxies: proxies}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		election := &kube.Candidate{Client: leases, Namespace: "istio-system", Name: "status", Identity: name, LeaseTime: time.Second}
		go func() { done <- kube.Watch(ctx, kube.Options{Client: client, Sink: s, Election: election}) }()
		end = sync.OnceFunc(func() {
			stop()
			require.NoError(t, <-done)
		})
		t.Cleanup(end)
		return s, end
	}
	says := func(want string) {
		t.Helper()
		require.Eventually(t, func() bool { return status(t, client, "one") == want }, 20*time.Second, 5*time.Millisecond, "want %s", want)
	}
	_, end := watch("first", 3)
	_, err := client.Resource(virtualServices).Namespace("shop").Create(t.Context(), virtualService("one", 1, route("one")), meta.CreateOptions{})
	require.NoError(t, err)
	says("True Effective generation 1 is live on 3 proxies")
	second, _ := watch("second", 5)
	require.Eventually(t, func() bool { return slices.Equal(second.names(), []string{"VirtualService shop/one"}) }, 20*time.Second, 5*time.Millisecond)
	_, err = client.Resource(virtualServices).Namespace("shop").Update(t.Context(), virtualService("one", 2, route("two")), meta.UpdateOptions{})
	require.NoError(t, err)
	says("True Effective generation 2 is live on 3 proxies")
	end()
	says("True Effective generation 2 is live on 5 proxies")
}
