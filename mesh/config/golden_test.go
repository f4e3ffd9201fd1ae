package config_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// The golden files are rewritten by: go test ./mesh/config -update.
var update = flag.Bool("update", false, "rewrite the golden files")

// base is the ground on which each golden file stands: the book shop and the versions of its services.
func base(t *testing.T) config.Set {
	t.Helper()
	return config.Set{}.With(bookinfoDocs(t, "manifests/bookinfo.yaml", "manifests/tcp-echo.yaml", "rules/destination-rule-all.yaml")...)
}

func build(t *testing.T, name string) (model.Snapshot, diag.List) {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	docs, problems := config.Parse(config.File{Name: filepath.Base(name), Data: data})
	set := base(t).With(docs...)
	snap, more := config.Build(set, model.Snapshot{}, workloads(set))
	problems.Add(more...)
	return snap, problems.Sorted()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o600))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err, "run with -update")
	require.Equal(t, string(want), got)
}

func cases(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	expected, err := filepath.Glob(filepath.Join("testdata", dir, "*.txt"))
	require.NoError(t, err)
	for _, e := range expected {
		if !slices.Contains(files, strings.TrimSuffix(e, ".txt")+".yaml") {
			if !*update {
				t.Errorf("%s belongs to no test", e)
			} else {
				require.NoError(t, os.Remove(e))
			}
		}
	}
	return files
}

// Each file of testdata/invalid has what is wrong with it beside it.
func TestInvalid(t *testing.T) {
	for _, name := range cases(t, "invalid") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			_, problems := build(t, name)
			golden(t, strings.TrimSuffix(name, ".yaml")+".txt", problems.Text()+"\n")
			for _, p := range problems {
				require.NotEmpty(t, p.Code, p.Message)
				require.Positive(t, p.Pos.Line, p.Message)
			}
		})
	}
}

// Each file of testdata/valid has the part of the model beside it that comes of it, and the warnings.
func TestValid(t *testing.T) {
	for _, name := range cases(t, "valid") {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".yaml"), func(t *testing.T) {
			snap, problems := build(t, name)
			require.False(t, problems.HasErrors(), problems.Text())
			var b strings.Builder
			if len(problems) > 0 {
				b.WriteString(problems.Text() + "\n\n")
			}
			file := filepath.Base(name)
			dumpAll(&b, "service", snap.Services, func(s *model.Service) bool { return s.Pos.File == file })
			dumpAll(&b, "endpoints", snap.Endpoints, func(e *model.Endpoints) bool { return snap.Services.At(e.Host).Pos.File == file })
			dumpAll(&b, "workload", snap.Workloads, func(w *model.Workload) bool { return w.Pos.File == file })
			dumpAll(&b, "secret", snap.Secrets, func(s *model.Secret) bool { return s.Pos.File == file })
			dumpAll(&b, "gateway", snap.Gateways, func(g *model.Gateway) bool { return g.Pos.File == file })
			dumpAll(&b, "destinationrule", snap.DestinationRules, func(d *model.DestinationRule) bool { return d.Pos.File == file })
			dumpAll(&b, "virtualservice", snap.VirtualServices, func(v *model.VirtualService) bool { return v.Pos.File == file })
			dumpAll(&b, "peerauthentication", snap.PeerAuthentications, func(p *model.PeerAuthentication) bool { return p.Pos.File == file })
			dumpAll(&b, "requestauthentication", snap.RequestAuthentications, func(p *model.RequestAuthentication) bool { return p.Pos.File == file })
			dumpAll(&b, "authorizationpolicy", snap.AuthorizationPolicies, func(p *model.AuthorizationPolicy) bool { return p.Pos.File == file })
			dumpAll(&b, "quotapolicy", snap.QuotaPolicies, func(p *model.QuotaPolicy) bool { return p.Pos.File == file })
			dumpAll(&b, "healthcheckpolicy", snap.HealthCheckPolicies, func(p *model.HealthCheckPolicy) bool { return p.Pos.File == file })
			dumpAll(&b, "envoyfilter", snap.EnvoyFilters, func(p *model.EnvoyFilter) bool { return p.Pos.File == file })
			dumpAll(&b, "revocation", snap.Revocations, func(r *model.Revocation) bool { return r.Pos.File == file })
			dumpAll(&b, "telemetry", snap.Telemetries, func(p *model.Telemetry) bool { return p.Pos.File == file })
			golden(t, strings.TrimSuffix(name, ".yaml")+".txt", b.String())
		})
	}
}

func dumpAll[T any](b *strings.Builder, what string, m model.Map[*T], want func(*T) bool) {
	for key, v := range m.All() {
		if want(v) {
			fmt.Fprintf(b, "%s %s\n", what, key)
			dump(b, reflect.ValueOf(v), "  ")
		}
	}
}

// dump writes a value one field a line and leaves out zero fields, but not pointers to zero.
func dump(b *strings.Builder, v reflect.Value, indent string) {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if v.Field(i).IsZero() || f.Type == reflect.TypeFor[diag.Pos]() {
				continue
			}
			if f.Anonymous {
				dump(b, v.Field(i), indent)
				continue
			}
			dumpField(b, f.Name, v.Field(i), indent)
		}
	case reflect.Slice:
		for i := range v.Len() {
			dumpField(b, fmt.Sprint(i), v.Index(i), indent)
		}
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
		for _, k := range keys {
			dumpField(b, fmt.Sprint(k), v.MapIndex(k), indent)
		}
	}
}

func dumpField(b *strings.Builder, name string, v reflect.Value, indent string) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if secret, ok := reflect.TypeAssert[model.PrivateBytes](v); ok {
		fmt.Fprintf(b, "%s%s: %v\n", indent, name, secret)
		return
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map:
		fmt.Fprintf(b, "%s%s", indent, name)
		if v.Kind() == reflect.Struct {
			if p := v.FieldByName("Pos"); p.IsValid() {
				pos := p.Interface().(diag.Pos)
				fmt.Fprintf(b, " @%d:%d", pos.Line, pos.Col)
			}
		}
		b.WriteString("\n")
		dump(b, v, indent+"  ")
	default:
		x := v.Interface()
		if d, ok := x.(time.Duration); ok {
			x = d.String()
		}
		fmt.Fprintf(b, "%s%s: %v\n", indent, name, x)
	}
}
