package config_test

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/registry/static"
)

func bookinfoDocs(t *testing.T, names ...string) []*config.Document {
	t.Helper()
	var files []config.File
	for _, n := range names {
		data, err := bookinfo.Files.ReadFile(n)
		require.NoError(t, err)
		files = append(files, config.File{Name: n, Data: data})
	}
	docs, problems := config.Parse(files...)
	require.Empty(t, problems.Text())
	return docs
}

// workloads gives every instance of a set an address, as a platform with capture: redirect does.
func workloads(s config.Set) []*model.Workload {
	services := config.Services(s, "")
	var out []*model.Workload
	for i, inst := range config.Instances(s) {
		out = append(out, &model.Workload{
			Name: inst.Name, Owner: inst.Owner, Namespace: inst.Namespace, ServiceAccount: inst.ServiceAccount, Labels: inst.Labels,
			Locality: inst.Locality, Address: fmt.Sprintf("198.18.64.%d", i+1), Inbound: static.Inbound(inst, services), Pos: inst.Pos,
		})
	}
	return out
}

// Each well-known rule set, one at a time on top of the shop and its versions.
func TestEveryBookinfoRuleSetBuilds(t *testing.T) {
	rules, err := fs.Glob(bookinfo.Files, "rules/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, rules)
	base := config.Set{}.With(bookinfoDocs(t, "manifests/bookinfo.yaml", "rules/destination-rule-all.yaml")...)
	for _, rule := range rules {
		t.Run(strings.TrimSuffix(path.Base(rule), ".yaml"), func(t *testing.T) {
			docs := bookinfoDocs(t, rule)
			set := base.With(docs...)
			snap, problems := config.Build(set, model.Snapshot{}, workloads(set))
			require.Empty(t, problems, problems.Text())
			for _, d := range docs {
				key := d.Namespace + "/" + d.Name
				switch d.Kind {
				case "VirtualService":
					require.NotNil(t, snap.VirtualServices.At(key))
				case "DestinationRule":
					require.NotNil(t, snap.DestinationRules.At(key))
				case "Gateway":
					require.NotNil(t, snap.Gateways.At(key))
				}
			}
		})
	}
}

func TestEveryBookinfoManifestBuilds(t *testing.T) {
	manifests, err := fs.Glob(bookinfo.Files, "manifests/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, manifests)
	for _, m := range manifests {
		t.Run(path.Base(m), func(t *testing.T) {
			set := config.Set{}.With(bookinfoDocs(t, "manifests/bookinfo.yaml", m, "rules/destination-rule-all.yaml")...)
			snap, problems := config.Build(set, model.Snapshot{}, workloads(set))
			require.Empty(t, problems.Text())
			for host, e := range snap.Endpoints.All() {
				require.NotEmpty(t, e.List, host)
			}
		})
	}
}
