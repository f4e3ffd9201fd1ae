package grafana_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/grafana"
	"github.com/squallmesh/squall/mesh/telemetry/istio"
	"github.com/squallmesh/squall/mesh/telemetry/promql"
)

// Every query of every panel parses, and finds data in a mesh in which everything happens.
func TestEveryPanelHasData(t *testing.T) {
	store, err := promql.Open(t.TempDir(), promql.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	m := istio.New(istio.Options{Peers: func(address string) (istio.Peer, bool) {
		return istio.PeerOf("reviews-v1", "default", map[string]string{"app": "reviews", "version": "v1"}), address == "127.0.0.9"
	}})
	now := time.Now()
	for i := range 60 {
		at := now.Add(time.Duration(i-60) * time.Second)
		require.NoError(t, store.Append(append(m.Sample(at), telemetry.Point{Name: "pilot_xds", Time: at, Value: 3},
			telemetry.Point{Name: "squall_proxies", Time: at, Value: 3}, telemetry.Point{Name: "squall_proxies_behind", Time: at},
			telemetry.Point{Name: "squall_config_version", Time: at, Value: float64(i)}, telemetry.Point{Name: "squall_fault", Time: at, Value: 1})))
		for _, h := range []telemetry.Hop{
			{Direction: telemetry.Outbound, Workload: "reviews-v1", Cluster: "outbound|9080||reviews.default.svc.cluster.local", UpstreamAddress: "127.0.0.9:80"},
			{Direction: telemetry.Inbound, Workload: "reviews-v1", Cluster: "outbound|9080||reviews.default.svc.cluster.local", DownstreamRemote: "127.0.0.9:1"},
		} {
			h.Status, h.Duration, h.BytesReceived, h.BytesSent = 200+300*(i%2), time.Millisecond, 10, 10
			m.Add(h)
			h.TCP = true
			m.Add(h)
		}
	}
	values := map[string]string{"service": "reviews", "workload": "reviews-v1"}
	found := grafana.Check(t.Context(), func(ctx context.Context, expr string) (int, error) {
		v, err := store.Query(ctx, expr, now)
		return len(v.Series), err
	}, values, "tcp", "calls", "fault")
	for _, f := range found {
		t.Error(f)
	}
	require.NotEmpty(t, grafana.Check(t.Context(), func(ctx context.Context, expr string) (int, error) {
		v, err := store.Query(ctx, expr, now)
		return len(v.Series), err
	}, map[string]string{"service": "nobody", "workload": "nobody"}), "a panel without data is found")
}

// The files are what a Grafana reads: YAML and JSON, with UIDs that lead from one to the other.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, grafana.Write(dir, "http://127.0.0.1:1234"))
	var sources struct {
		Datasources []struct{ UID, URL, Type string }
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return data
	}
	require.NoError(t, yaml.Unmarshal(read("provisioning/datasources/squall.yaml"), &sources))
	require.Equal(t, grafana.Datasource, sources.Datasources[0].UID)
	require.Equal(t, "http://127.0.0.1:1234/prometheus", sources.Datasources[0].URL)
	require.NoError(t, yaml.Unmarshal(read("provisioning/dashboards/squall.yaml"), &struct{}{}))
	var uids []string
	for _, d := range grafana.Dashboards() {
		uids = append(uids, d.UID)
		var got struct {
			UID    string
			Panels []struct {
				Title      string
				Datasource struct{ UID string }
				Targets    []struct{ Expr, RefID string }
			}
			Annotations struct{ List []struct{ Expr string } }
		}
		require.NoError(t, json.Unmarshal(read("dashboards/"+d.UID+".json"), &got))
		require.Equal(t, d.UID, got.UID)
		require.Len(t, got.Panels, len(d.Panels))
		for i, p := range got.Panels {
			require.Equal(t, grafana.Datasource, p.Datasource.UID)
			require.Len(t, p.Targets, len(d.Panels[i].Queries))
			for _, q := range p.Targets {
				require.NoError(t, promql.Check(grafana.Fill(q.Expr, nil)), p.Title)
			}
		}
		require.NoError(t, promql.Check(got.Annotations.List[0].Expr))
	}
	require.True(t, slices.IsSorted(uids))
}
