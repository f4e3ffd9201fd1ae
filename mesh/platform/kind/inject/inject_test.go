package inject_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	admission "k8s.io/api/admission/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/squallmesh/squall/mesh/platform/kind/inject"
)

const image = "squall.dev/lab:1"

// plain is a pod as somebody has it who knows nothing of sidecars.
func plain() *core.Pod {
	p := &core.Pod{}
	p.Labels = map[string]string{"app": "shop"}
	p.Spec.Containers = []core.Container{{Name: "shop", Image: "shop"}}
	p.Spec.InitContainers = []core.Container{{Name: "migrate", Image: "shop"}}
	p.Spec.Volumes = []core.Volume{{Name: "data"}}
	return p
}

// prepared are the namespaces that the webhook made ready.
type prepared struct {
	names []string
	err   error
}

func (n *prepared) prepare(_ context.Context, namespace string) error {
	n.names = append(n.names, namespace)
	return n.err
}

// ask sends a pod through the webhook.
func ask(t *testing.T, n *prepared, p *core.Pod, dryRun bool) *admission.AdmissionResponse {
	t.Helper()
	raw, err := json.Marshal(p)
	require.NoError(t, err)
	body, err := json.Marshal(admission.AdmissionReview{Request: &admission.AdmissionRequest{
		UID: "1", Namespace: "store", Object: runtime.RawExtension{Raw: raw}, DryRun: &dryRun,
	}})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	s := inject.Server{Image: image, Prepare: n.prepare, Log: slog.New(slog.DiscardHandler)}

	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, inject.Path, bytes.NewReader(body)))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var out admission.AdmissionReview
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &out))
	require.EqualValues(t, "1", out.Response.UID)
	return out.Response
}

func TestAPodGetsItsSidecarBeforeAllElse(t *testing.T) {
	var n prepared
	got := ask(t, &n, plain(), false)
	require.True(t, got.Allowed)
	require.Equal(t, []string{"store"}, n.names)
	var patch []struct {
		Op, Path string
		Value    json.RawMessage
	}
	require.NoError(t, json.Unmarshal(got.Patch, &patch))
	values := map[string]json.RawMessage{}
	for _, o := range patch {
		values[o.Path] = o.Value
	}
	var first []core.Container
	require.NoError(t, json.Unmarshal(values["/spec/initContainers"], &first))
	require.Equal(t, []string{inject.InitName, inject.ProxyName, "migrate"}, []string{first[0].Name, first[1].Name, first[2].Name})
	require.Equal(t, core.ContainerRestartPolicyAlways, *first[1].RestartPolicy, "it runs beside the app, and a job ends without it")
	require.Equal(t, []core.Capability{"NET_ADMIN"}, first[0].SecurityContext.Capabilities.Add)
	require.Empty(t, first[1].SecurityContext.Capabilities.Add)
	var volumes []core.Volume
	require.NoError(t, json.Unmarshal(values["/spec/volumes"], &volumes))
	require.Len(t, volumes, 3)
	require.Equal(t, "data", volumes[0].Name)
}

func TestWhoGetsNone(t *testing.T) {
	for name, change := range map[string]func(*core.Pod){
		"the label says no":         func(p *core.Pod) { p.Labels[inject.PodLabel] = "false" },
		"the annotation says no":    func(p *core.Pod) { p.Annotations = map[string]string{inject.PodLabel: "false"} },
		"it has one":                func(p *core.Pod) { p.Spec.Containers[0].Name = inject.ProxyName },
		"it has the node's network": func(p *core.Pod) { p.Spec.HostNetwork = true },
	} {
		t.Run(name, func(t *testing.T) {
			var n prepared
			p := plain()
			change(p)
			got := ask(t, &n, p, false)
			require.True(t, got.Allowed)
			require.Empty(t, got.Patch)
			require.Empty(t, n.names)
		})
	}
	var n prepared
	p := plain()
	p.Labels[inject.PodLabel], p.Annotations = "true", map[string]string{inject.PodLabel: "false"}
	require.NotEmpty(t, ask(t, &n, p, true).Patch, "the label is asked before the annotation")
	require.Empty(t, n.names, "a dry run changes nothing")
}

// What a pod asks for and would not get is refused in words, not left out.
func TestWhatCannotBeHadIsRefused(t *testing.T) {
	var n prepared
	p := plain()
	p.Annotations = map[string]string{"traffic.sidecar.istio.io/excludeOutboundPorts": "3306", "sidecar.istio.io/proxyCPU": "a lot"}
	p.Spec.Containers[0].SecurityContext = &core.SecurityContext{RunAsUser: new(int64(1337))}
	got := ask(t, &n, p, false)
	require.False(t, got.Allowed)
	for _, word := range []string{"excludeOutboundPorts is not supported", `"a lot" is no quantity`, "container shop runs as user 1337", "sidecar.istio.io/inject=false"} {
		require.Contains(t, got.Result.Message, word)
	}
	require.Empty(t, n.names)
	n.err = errors.New("it is being deleted")
	got = ask(t, &n, plain(), false)
	require.False(t, got.Allowed)
	require.Contains(t, got.Result.Message, "namespace store: it is being deleted")
}

func TestWhatAnnotationsAskFor(t *testing.T) {
	p := plain()
	p.Annotations = map[string]string{
		"sidecar.istio.io/proxyCPU": "100m", "sidecar.istio.io/proxyMemoryLimit": "1Gi", "traffic.sidecar.istio.io/excludeInboundPorts": "9100,9200",
	}
	p.Spec.Containers[0].LivenessProbe = &core.Probe{ProbeHandler: core.ProbeHandler{HTTPGet: &core.HTTPGetAction{Path: "/"}}}
	p.Spec.Containers[0].ReadinessProbe = &core.Probe{ProbeHandler: core.ProbeHandler{Exec: &core.ExecAction{}}}
	warnings, err := inject.Add(p, image)
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "livenessProbe of container shop")
	proxy := p.Spec.InitContainers[1]
	require.Equal(t, "100m", proxy.Resources.Requests.Cpu().String())
	require.Equal(t, "1Gi", proxy.Resources.Limits.Memory().String())
	require.Subset(t, p.Spec.InitContainers[0].Command, []string{"--exclude-inbound", "9100,9200"})
	require.False(t, inject.Wanted(p), "it has one now")
}

func TestWhatIsNoReview(t *testing.T) {
	for _, body := range []string{"", "{}", "[", `{"request": 3}`} {
		w := httptest.NewRecorder()
		inject.Server{Log: slog.New(slog.DiscardHandler)}.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, inject.Path, bytes.NewBufferString(body)))
		require.Equal(t, http.StatusBadRequest, w.Code, body)
	}
}
