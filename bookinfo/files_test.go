package bookinfo_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/bookinfo"
)

// document is what the tests look at of a YAML document.
type document struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Spec       map[string]any
}

func documents(t *testing.T, file string) []document {
	t.Helper()
	b, err := bookinfo.Files.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(b), "\t")
	var all []document
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var doc document
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			require.NotEmpty(t, all, file)
			return all
		}
		require.NoError(t, err, file)
		require.NotEmpty(t, doc.APIVersion, file)
		require.NotEmpty(t, doc.Metadata.Name, file)
		require.Empty(t, doc.Metadata.Namespace, file)
		all = append(all, doc)
	}
}

func names(docs []document, kind string) []string {
	var n []string
	for _, d := range docs {
		if d.Kind == kind {
			n = append(n, d.Metadata.Name)
		}
	}
	slices.Sort(n)
	return n
}

func TestEveryRuleSetIsThere(t *testing.T) {
	want := strings.Fields(`bookinfo-gateway destination-rule-all destination-rule-all-mtls destination-rule-reviews
		egress-rule-google-apis fault-injection-details-v1 virtual-service-all-v1 virtual-service-details-v2
		virtual-service-ratings-db virtual-service-ratings-mysql virtual-service-ratings-test-abort
		virtual-service-ratings-test-delay virtual-service-reviews-50-v3 virtual-service-reviews-80-20
		virtual-service-reviews-90-10 virtual-service-reviews-jason-v2-v3 virtual-service-reviews-test-v2
		virtual-service-reviews-v2-v3 virtual-service-reviews-v3`)
	var got []string
	entries, err := fs.ReadDir(bookinfo.Files, "rules")
	require.NoError(t, err)
	for _, e := range entries {
		got = append(got, strings.TrimSuffix(e.Name(), ".yaml"))
		for _, d := range documents(t, "rules/"+e.Name()) {
			require.Equal(t, "networking.istio.io/v1", d.APIVersion, e.Name())
			require.Contains(t, []string{"Gateway", "VirtualService", "DestinationRule", "ServiceEntry"}, d.Kind)
		}
	}
	require.ElementsMatch(t, want, got)
}

// The rules name only versions that destination-rule-all names.
func TestRulesUseSubsetsThatExist(t *testing.T) {
	subsets := map[string][]string{}
	for _, d := range documents(t, "rules/destination-rule-all.yaml") {
		host, _ := d.Spec["host"].(string)
		list, _ := d.Spec["subsets"].([]any)
		for _, s := range list {
			m, _ := s.(map[string]any)
			name, _ := m["name"].(string)
			subsets[host] = append(subsets[host], name)
		}
	}
	require.Len(t, subsets, 4)
	var walk func(file string, v any)
	walk = func(file string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if host, ok := v["host"].(string); ok && v["subset"] != nil {
				require.Contains(t, subsets[host], v["subset"], file)
			}
			for _, e := range v {
				walk(file, e)
			}
		case []any:
			for _, e := range v {
				walk(file, e)
			}
		}
	}
	entries, err := fs.Glob(bookinfo.Files, "rules/*.yaml")
	require.NoError(t, err)
	for _, file := range entries {
		for _, d := range documents(t, file) {
			walk(file, d.Spec)
		}
	}
}

func TestTheShopsManifests(t *testing.T) {
	docs := documents(t, "manifests/bookinfo.yaml")
	require.Equal(t, []string{"details", "productpage", "ratings", "reviews"}, names(docs, "Service"))
	require.Equal(t, []string{"bookinfo-details", "bookinfo-productpage", "bookinfo-ratings", "bookinfo-reviews"}, names(docs, "ServiceAccount"))
	require.Equal(t, []string{"details-v1", "productpage-v1", "ratings-v1", "reviews-v1", "reviews-v2", "reviews-v3"}, names(docs, "Deployment"))
	require.Equal(t, []string{"tcp-echo-v1", "tcp-echo-v2"}, names(documents(t, "manifests/tcp-echo.yaml"), "Deployment"))
	require.Equal(t, []string{"backend-v1", "backend-v2", "backend-v3"}, names(documents(t, "manifests/backend.yaml"), "Deployment"))
}

// An App says how each of its Deployments runs, and nothing more.
func TestAppsRunWhatTheirManifestsHave(t *testing.T) {
	apps, err := fs.Glob(bookinfo.Files, "*.yaml")
	require.NoError(t, err)
	require.Equal(t, []string{"app.yaml", "backend.app.yaml", "busy.app.yaml", "tcp-echo.app.yaml", "variants.app.yaml"}, apps)
	var roles []string
	for _, r := range bookinfo.Roles() {
		roles = append(roles, r.Name)
	}
	used := map[string]bool{}
	for _, app := range apps {
		b, err := bookinfo.Files.ReadFile(app)
		require.NoError(t, err)
		var doc struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string
			Metadata   struct{ Name string }
			Spec       struct {
				Manifests []string
				Run       map[string]struct{ Command []string }
				Logins    map[string]struct {
					Post string
					Form map[string]string
				}
			}
		}
		d := yaml.NewDecoder(bytes.NewReader(b))
		d.KnownFields(true)
		require.NoError(t, d.Decode(&doc), app)
		require.Equal(t, "App", doc.Kind)
		var deployed, run []string
		for _, m := range doc.Spec.Manifests {
			deployed = append(deployed, names(documents(t, m), "Deployment")...)
			used[m] = true
		}
		for name, r := range doc.Spec.Run {
			run = append(run, name)
			require.Equal(t, []string{"{{.Squall}}", "bookinfo"}, r.Command[:2])
			require.Contains(t, roles, r.Command[2])
		}
		slices.Sort(deployed)
		require.ElementsMatch(t, slices.Compact(deployed), run, "%s (of two Deployments of one name the later counts)", app)
	}
	manifests, err := fs.Glob(bookinfo.Files, path.Join("manifests", "*.yaml"))
	require.NoError(t, err)
	for _, m := range manifests {
		require.True(t, used[m], "%s belongs to no app", m)
	}
}
