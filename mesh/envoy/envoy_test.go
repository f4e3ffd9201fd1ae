package envoy_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/proc"
)

const reviews = "outbound|9080|v1|reviews.default.svc.cluster.local"

func reviewsCluster() *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: reviews, AltStatName: reviews + ";", ConnectTimeout: durationpb.New(time.Second),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: reviews, Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
				Address: loopback(1), // nobody listens there
			}}}},
		}}},
	}
}

func TestEnvoy(t *testing.T) {
	e := run(t, func(o *envoy.Options) {
		o.Bootstrap.Metadata = map[string]string{"app": "reviews"}
		o.Bootstrap.Locality = envoy.Locality{Region: "r1", Zone: "z1"}
		o.Bootstrap.Listeners = []*listenerv3.Listener{httpListener(t, "web", toCluster("/reviews", reviews), hello("/"))}
		o.Bootstrap.Clusters = []*clusterv3.Cluster{reviewsCluster()}
		o.Bootstrap.Zipkin, o.Bootstrap.AccessLog = "127.0.0.1:1", "127.0.0.1:1"
	})
	admin := e.Admin()
	url := "http://" + addressOf(t, e, "web")
	assert.Empty(t, e.Process().LogTail(10), "a good config draws no warning")

	t.Run("traffic", func(t *testing.T) {
		status, body := get(t, url)
		assert.Equal(t, 200, status)
		assert.Equal(t, "hello", body)
	})
	t.Run("server info", func(t *testing.T) {
		info, err := admin.ServerInfo(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "LIVE", info.GetState().String())
		assert.Equal(t, "test", info.GetNode().GetId())
		assert.Equal(t, "z1", info.GetNode().GetLocality().GetZone())
		assert.Equal(t, "reviews", info.GetNode().GetMetadata().AsMap()["app"])
		assert.EqualValues(t, 1, info.GetCommandLineOptions().GetConcurrency())
	})
	t.Run("counters", func(t *testing.T) {
		const name = "cluster." + reviews + ";.upstream_cx_connect_fail"
		before, err := admin.Counters(t.Context(), "upstream_cx_connect_fail$")
		require.NoError(t, err)
		status, _ := get(t, url+"/reviews/1")
		assert.Equal(t, 503, status)
		after, err := admin.Counters(t.Context(), "upstream_cx_connect_fail$")
		require.NoError(t, err)
		require.Contains(t, before, name, "a counter is there before its first event")
		assert.EqualValues(t, 1, after[name]-before[name])

		none, err := admin.Counters(t.Context(), "^no such name$")
		require.NoError(t, err)
		assert.Empty(t, none)
	})
	t.Run("stats", func(t *testing.T) {
		gauges, err := admin.Gauges(t.Context(), "^server\\.live$")
		require.NoError(t, err)
		assert.Equal(t, map[string]uint64{"server.live": 1}, gauges)
		require.Eventually(t, func() bool { // at the next flush
			stats, err := admin.Stats(t.Context(), "downstream_rq_time")
			return err == nil && len(stats.Histograms["http.outbound_0.0.0.0_9080;.downstream_rq_time"]) > 0
		}, 5*time.Second, 20*time.Millisecond)
	})
	t.Run("Prometheus labels", func(t *testing.T) {
		text, err := admin.Prometheus(t.Context())
		require.NoError(t, err)
		for _, line := range []string{
			`envoy_cluster_upstream_cx_connect_fail{cluster_name="` + reviews + `"} 1`,
			`envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",cluster_name="` + reviews + `"} `,
			`envoy_cluster_upstream_rq{envoy_response_code="503",cluster_name="` + reviews + `"} 1`,
			`envoy_cluster_upstream_cx_total{cluster_name="zipkin"} 0`,
			`envoy_cluster_circuit_breakers_default_cx_open{cluster_name="als-grpc"} 0`,
			`envoy_http_downstream_rq_xx{envoy_response_code_class="2",http_conn_manager_prefix="outbound_0.0.0.0_9080"} `,
			`envoy_http_downstream_rq_total{http_conn_manager_prefix="admin"} `,
			`envoy_listener_downstream_cx_total{listener_address="127.0.0.1_0"} `,
			`envoy_listener_worker_downstream_cx_total{worker_id="0",listener_address="127.0.0.1_0"} `,
			`envoy_listener_http_downstream_rq_xx{envoy_response_code_class="2",http_conn_manager_listener_prefix="outbound_0.0.0.0_9080",listener_address="127.0.0.1_0"} `,
		} {
			requireSeries(t, string(text), line)
		}
	})
	t.Run("clusters", func(t *testing.T) {
		clusters, err := admin.Clusters(t.Context())
		require.NoError(t, err)
		require.Len(t, clusters.GetClusterStatuses(), 3)
		for _, c := range clusters.GetClusterStatuses() {
			if c.GetName() == reviews {
				host := c.GetHostStatuses()[0]
				assert.EqualValues(t, 1, host.GetAddress().GetSocketAddress().GetPortValue())
				assert.False(t, host.GetHealthStatus().GetFailedOutlierCheck())
				assert.Equal(t, corev3.HealthStatus_HEALTHY, host.GetHealthStatus().GetEdsHealthStatus())
				assert.EqualValues(t, 1, host.GetWeight())
			}
		}
	})
	t.Run("config dump", func(t *testing.T) {
		dump, raw, err := admin.ConfigDump(t.Context(), envoy.ConfigDumpOptions{Endpoints: true})
		require.NoError(t, err)
		assert.Contains(t, string(raw), "http_connection_manager")
		var types []string
		for _, section := range dump.GetConfigs() {
			_, err := section.UnmarshalNew()
			require.NoError(t, err)
			types = append(types, strings.TrimPrefix(section.GetTypeUrl(), "type.googleapis.com/envoy.admin.v3."))
		}
		assert.Subset(t, types, []string{"BootstrapConfigDump", "ClustersConfigDump", "ListenersConfigDump", "RoutesConfigDump", "EndpointsConfigDump"})
		dump, _, err = admin.ConfigDump(t.Context(), envoy.ConfigDumpOptions{Resource: "static_clusters", NameRegex: "outbound.*"})
		require.NoError(t, err)
		assert.Len(t, dump.GetConfigs(), 1)
	})
	t.Run("run time", func(t *testing.T) {
		require.NoError(t, admin.SetRuntime(t.Context(), map[string]string{"fault.http.abort.abort_percent": "7"}))
		r, err := admin.Runtime(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"global config", "admin"}, r.Layers)
		assert.Equal(t, "7", r.Values["fault.http.abort.abort_percent"].Final)
		assert.Equal(t, "50", r.Values["tracing.zipkin.flush_interval_ms"].Final)
	})
	t.Run("log level", func(t *testing.T) {
		require.NoError(t, admin.LogLevel(t.Context(), "info", map[string]string{"router": "debug"}))
		require.NoError(t, admin.LogLevel(t.Context(), "warning", nil))
		var status *envoy.StatusError
		require.ErrorAs(t, admin.LogLevel(t.Context(), "loud", nil), &status)
		assert.Equal(t, http.StatusBadRequest, status.Code)
	})
	t.Run("reset", func(t *testing.T) {
		require.NoError(t, admin.ResetCounters(t.Context()))
		counters, err := admin.Counters(t.Context(), "connect_fail$")
		require.NoError(t, err)
		assert.Zero(t, counters["cluster."+reviews+";.upstream_cx_connect_fail"])
	})
	t.Run("drain", func(t *testing.T) {
		require.NoError(t, admin.DrainListeners(t.Context(), false))
		require.Eventually(t, func() bool {
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err == nil {
				_ = conn.Close()
			}
			return err != nil
		}, 5*time.Second, 10*time.Millisecond)
	})
	t.Run("stop", func(t *testing.T) {
		require.NoError(t, e.Stop(within(t, 5*time.Second)))
		require.NoError(t, e.Err())
		require.ErrorContains(t, e.Ready(t.Context()), "was stopped before")
		require.Error(t, admin.Ready(t.Context()))
		info, err := os.Stat(filepath.Join(filepath.Dir(e.LogFile()), "bootstrap.json"))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode())
	})
}

// requireSeries looks for a sample; the order of its labels does not matter.
func requireSeries(t *testing.T, text, want string) {
	t.Helper()
	key := func(line string) (string, string) {
		name, rest, _ := strings.Cut(line, "{")
		labels, value, _ := strings.Cut(rest, "} ")
		parts := strings.Split(labels, ",")
		slices.Sort(parts)
		return name + "{" + strings.Join(parts, ",") + "}", value
	}
	wantKey, wantValue := key(want)
	var similar []string
	for line := range strings.SplitSeq(text, "\n") {
		k, v := key(line)
		if k == wantKey && (wantValue == "" || v == wantValue) {
			return
		}
		if name, _, _ := strings.Cut(wantKey, "{"); strings.HasPrefix(line, name+"{") {
			similar = append(similar, line)
		}
	}
	assert.Fail(t, "no such series", "%s\nbut\n%s", want, strings.Join(similar, "\n"))
}

func TestAdminOnATCPPort(t *testing.T) {
	e := run(t, func(o *envoy.Options) { o.Bootstrap.Admin = "127.0.0.1:0" })
	host, port, err := net.SplitHostPort(e.Admin().Address())
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1", host)
	assert.NotEqual(t, "0", port)
	_, err = e.Admin().ServerInfo(t.Context())
	require.NoError(t, err)
}

func TestBrokenConfigTellsWhy(t *testing.T) {
	dir := shortDir(t)
	opts := envoy.Options{Binary: realEnvoy(t), Dir: dir, Bootstrap: staticBootstrap(dir)}
	opts.Bootstrap.Listeners = []*listenerv3.Listener{{Name: "broken", Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
		SocketAddress: &corev3.SocketAddress{Address: "not-an-ip", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 0}},
	}}}}
	e, err := envoy.Start(t.Context(), newOwner(t), opts)
	require.NoError(t, err)
	err = e.Ready(within(t, 20*time.Second))
	require.ErrorContains(t, err, "malformed IP address: not-an-ip")
	require.ErrorContains(t, err, "Envoy test ended: exit status 1")
}

func TestReadyNamesWhatIsMissing(t *testing.T) {
	dir := shortDir(t)
	opts := envoy.Options{Binary: realEnvoy(t), Dir: dir, Bootstrap: staticBootstrap(dir)}
	opts.Bootstrap.XDS = "unix://" + filepath.Join(dir, "nobody.sock")
	e, err := envoy.Start(t.Context(), newOwner(t), opts)
	require.NoError(t, err)
	err = e.Ready(within(t, 500*time.Millisecond))
	require.ErrorContains(t, err, "not ready")
	require.ErrorContains(t, err, "INITIALIZING")
}

func TestSeveralAtOnce(t *testing.T) {
	binary, owner := realEnvoy(t), newOwner(t)
	var group errgroup.Group
	var mu sync.Mutex
	ids := make(map[string]bool)
	for i := range 4 {
		dir := shortDir(t)
		group.Go(func() error {
			opts := envoy.Options{Binary: binary, Dir: dir, Bootstrap: staticBootstrap(dir)}
			opts.Bootstrap.NodeID = "node-" + strconv.Itoa(i)
			e, err := envoy.Start(t.Context(), owner, opts)
			if err != nil {
				return err
			}
			if err := e.Ready(within(t, 20*time.Second)); err != nil {
				return err
			}
			info, err := e.Admin().ServerInfo(t.Context())
			mu.Lock()
			defer mu.Unlock()
			ids[info.GetNode().GetId()] = true
			return err
		})
	}
	require.NoError(t, group.Wait())
	assert.Len(t, ids, 4)
}

func TestDiesWithItsOwner(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, "role=owner", shortDir(t), realEnvoy(t).Path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pid int
	_, err = fmt.Fscan(out, &pid)
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool {
		stat, err := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
		return err != nil || strings.HasPrefix(strings.TrimSpace(string(stat)), "Z")
	}, 3*time.Second, 5*time.Millisecond)
}

func TestUpstreamSourceAddress(t *testing.T) {
	dir := shortDir(t)
	pipe := filepath.Join(dir, "app.sock")
	onPipe, err := net.Listen("unix", pipe)
	require.NoError(t, err)
	callers := make(chan string, 2)
	app := &httptest.Server{Listener: onPipe, Config: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}}
	app.Start()
	defer app.Close()
	onTCP := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { callers <- r.RemoteAddr }))
	defer onTCP.Close()

	e := run(t, func(o *envoy.Options) {
		o.Bootstrap.SourceAddress = "127.0.0.77"
		o.Bootstrap.Zipkin = "unix://" + pipe
		tcp := reviewsCluster()
		_, port, err := net.SplitHostPort(onTCP.Listener.Addr().String())
		require.NoError(t, err)
		n, err := strconv.ParseUint(port, 10, 16)
		require.NoError(t, err)
		tcp.LoadAssignment.Endpoints[0].LbEndpoints[0].GetEndpoint().Address = loopback(uint32(n))
		o.Bootstrap.Clusters = []*clusterv3.Cluster{tcp}
		o.Bootstrap.Listeners = []*listenerv3.Listener{httpListener(t, "web", toCluster("/pipe", envoy.ClusterZipkin), toCluster("/", reviews))}
	})
	url := "http://" + addressOf(t, e, "web")
	status, body := get(t, url+"/pipe")
	assert.Equal(t, 200, status, body)
	status, body = get(t, url+"/tcp")
	assert.Equal(t, 200, status, body)
	host, _, err := net.SplitHostPort(<-callers)
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.77", host)
}

func TestSupervise(t *testing.T) {
	dir, owner, binary := shortDir(t), newOwner(t), realEnvoy(t)
	started, ended := make(chan *envoy.Envoy, 4), make(chan error, 4)
	policy := envoy.RestartPolicy{
		MinBackOff: time.Millisecond,
		Started:    func(e *envoy.Envoy) { started <- e },
		Ended:      func(err error) { ended <- err },
	}
	ctx := within(t, 20*time.Second)
	supervised, stop := context.WithCancel(ctx)
	defer stop()
	var group errgroup.Group
	group.Go(func() error {
		return envoy.Supervise(supervised, owner, envoy.Options{Binary: binary, Dir: dir, Bootstrap: staticBootstrap(dir)}, policy)
	})
	first := <-started
	first.Process().Signal(9)
	require.ErrorContains(t, <-ended, "signal: killed")
	second := <-started
	assert.NotEqual(t, first.Process().PID(), second.Process().PID())
	assert.Equal(t, proc.Running, second.Process().State())
	stop()
	require.NoError(t, group.Wait())
	<-second.Done()

	broken := envoy.Options{Binary: binary, Dir: dir, Bootstrap: staticBootstrap(dir), ExtraArgs: []string{"--no-such-flag"}}
	require.ErrorContains(t, envoy.Supervise(ctx, owner, broken, policy), "no-such-flag", "a first start that fails is not repeated")
}
