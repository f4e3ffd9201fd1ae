package kind

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/stretchr/testify/require"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"

	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/kind/inject"
	"github.com/squallmesh/squall/mesh/registry/kube"
)

const testImage = "squall.dev/lab:0123456789abcdef"

// read gives documents by kind and name.
func read(t *testing.T, text []byte) map[string]map[string]any {
	t.Helper()
	out := map[string]map[string]any{}
	for d := kubeyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		var u unstructured.Unstructured
		err := d.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		if len(u.Object) > 0 {
			out[u.GetKind()+" "+u.GetName()] = u.Object
		}
	}
}

// made is what a lab makes in a cluster without anything.
func made(t *testing.T) map[string]map[string]any {
	t.Helper()
	client := fake.NewClientset()
	h := &host{Cluster: &Cluster{kube: client, image: testImage}, namespaces: map[string]bool{}}
	require.NoError(t, h.makeNamespace(t.Context(), systemNamespace))
	require.NoError(t, h.makeToken(t.Context()))
	require.NoError(t, h.installWebhook(t.Context()))
	control := fleet.ControlPod()
	require.NoError(t, h.prepare(t.Context(), control))
	pod, err := h.manifest(control)
	require.NoError(t, err)
	_, err = client.CoreV1().Pods(control.Namespace).Create(t.Context(), pod, meta.CreateOptions{})
	require.NoError(t, err)
	out := map[string]map[string]any{}
	for _, a := range client.Actions() {
		c, ok := a.(interface{ GetObject() runtime.Object })
		if !ok || a.GetVerb() != "create" {
			continue
		}
		u, err := plain(c.GetObject())
		require.NoError(t, err)
		if a.GetNamespace() != "" {
			u.SetNamespace(a.GetNamespace())
		}
		out[u.GetKind()+" "+u.GetName()] = u.Object
	}
	for _, d := range kube.Definitions() {
		out[d.GetKind()+" "+d.GetName()] = d.Object
	}
	return out
}

// without takes out what is random: the content of secrets, and the root that webhooks are known by.
func without(t *testing.T, all map[string]map[string]any) string {
	t.Helper()
	for name, o := range all {
		for _, field := range []string{"data", "stringData"} {
			if m, ok := o[field].(map[string]any); ok && strings.HasPrefix(name, "Secret ") {
				for key := range m {
					m[key] = "…"
				}
			}
		}
		list, _ := o["webhooks"].([]any)
		for _, w := range list {
			delete(w.(map[string]any)["clientConfig"].(map[string]any), "caBundle") //nolint:forcetypeassert // of a webhook
		}
	}
	text, err := yaml.Marshal(all)
	require.NoError(t, err)
	return string(text)
}

// What is printed is what a lab makes itself, so that a lab finds all that it needs.
func TestManifestsAreWhatLabsMake(t *testing.T) {
	text, err := Manifests{Image: testImage, Secrets: true}.YAML()
	require.NoError(t, err)
	require.Equal(t, without(t, made(t)), without(t, read(t, text)))
}

// Without being asked for, no secret is printed; and what is asked for is another each time.
func TestSecretsArePrintedOnlyIfAskedFor(t *testing.T) {
	text, err := Manifests{Image: testImage}.YAML()
	require.NoError(t, err)
	require.NotContains(t, string(text), "kind: Secret\n")
	require.NotContains(t, string(text), "caBundle")
	one, err := Manifests{Image: testImage, Secrets: true}.YAML()
	require.NoError(t, err)
	two, err := Manifests{Image: testImage, Secrets: true}.YAML()
	require.NoError(t, err)
	token := func(text []byte) any {
		return read(t, text)["Secret "+inject.TokenSecret]["stringData"].(map[string]any)["token"]
	}
	require.Len(t, token(one), 64)
	require.NotEqual(t, token(one), token(two))
}

// rendered is what Helm makes of a chart in a cluster that has some Secrets, by the part of its functions that the chart uses.
func rendered(t *testing.T, dir string, there map[string]any) []byte {
	t.Helper()
	values := map[string]any{}
	text, err := os.ReadFile(filepath.Join(dir, "values.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &values))
	text, err = os.ReadFile(filepath.Join(dir, "templates/squall.yaml"))
	require.NoError(t, err)
	type certificate struct{ Cert, Key string }
	parsed, err := template.New("squall").Option("missingkey=error").Funcs(template.FuncMap{
		"genCA": func(name string, days int) certificate { return certificate{"root of " + name, "key"} },
		"genSignedCert": func(name string, ips any, names []any, days int, by certificate) certificate {
			return certificate{fmt.Sprint(names, " by ", by.Cert), "its key"}
		},
		"list": func(v ...any) []any { return v },
		"dict": func(v ...any) map[string]any {
			out := map[string]any{}
			for i := 0; i < len(v); i += 2 {
				out[v[i].(string)] = v[i+1]
			}
			return out
		},
		"b64enc":       func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"b64dec":       func(s string) (string, error) { b, err := base64.StdEncoding.DecodeString(s); return string(b), err },
		"randAlphaNum": func(n int) string { return strings.Repeat("7", n) },
		"quote":        func(s string) string { return fmt.Sprintf("%q", s) },
		"lookup":       func(_, _, namespace, name string) any { return there[namespace+"/"+name] },
	}).Parse(string(text))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, parsed.Execute(&out, map[string]any{"Values": values}))
	entries, err := os.ReadDir(filepath.Join(dir, "crds"))
	require.NoError(t, err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, "crds", e.Name()))
		require.NoError(t, err)
		_, _ = fmt.Fprintf(&out, "\n---\n%s", text)
	}
	return out.Bytes()
}

// A release of the chart is what a lab makes, but for the namespace, which is Helm's to make.
func TestChartIsWhatLabsMake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chart")
	require.NoError(t, Manifests{Image: testImage}.Chart(dir, "1.2.3"))
	want := made(t)
	delete(want, "Namespace "+systemNamespace)
	require.Equal(t, without(t, want), without(t, read(t, rendered(t, dir, nil))))

	require.EqualError(t, Manifests{Image: testImage}.Chart(dir, "1.2.3"), dir+" is not empty")
}

// A release makes secrets once; the webhook is known by the root that is in the Secret.
func TestChartKeepsSecrets(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, Manifests{Image: testImage}.Chart(dir, "1.2.3"))
	root := func(all map[string]map[string]any) any {
		hook := all["MutatingWebhookConfiguration "+webhookName]["webhooks"].([]any)[0].(map[string]any)
		return hook["clientConfig"].(map[string]any)["caBundle"]
	}
	first := read(t, rendered(t, dir, nil))
	require.Equal(t, base64.StdEncoding.EncodeToString([]byte("root of istio-system")), root(first))
	require.Equal(t, root(first), first["Secret "+webhookSecret]["data"].(map[string]any)[rootKey])
	require.Equal(t, strings.Repeat("7", 64), first["Secret "+inject.TokenSecret]["stringData"].(map[string]any)[inject.TokenKey])

	again := read(t, rendered(t, dir, map[string]any{
		systemNamespace + "/" + webhookSecret:      map[string]any{"data": map[string]any{"tls.crt": "YQ==", "tls.key": "Yg==", "ca.crt": "Yw=="}},
		systemNamespace + "/" + inject.TokenSecret: map[string]any{"data": map[string]any{"token": base64.StdEncoding.EncodeToString([]byte("old"))}},
	}))
	require.Equal(t, "Yw==", root(again))
	require.Equal(t, map[string]any{"tls.crt": "YQ==", "tls.key": "Yg==", "ca.crt": "Yw=="}, again["Secret "+webhookSecret]["data"])
	require.Equal(t, "old", again["Secret "+inject.TokenSecret]["stringData"].(map[string]any)[inject.TokenKey])
}
