package envoy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/proc"
)

// With "role=..." as its first argument the test binary is a watchdog, or an owner of an Envoy that waits to be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "role=watchdog":
			syscall.Exit(exitCode(proc.Watchdog(os.Stdin)))
		case "role=owner":
			syscall.Exit(exitCode(ownAndWait(os.Args[2], os.Args[3])))
		}
	}
	goleak.VerifyTestMain(m)
}

func exitCode(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func ownAndWait(dir, binary string) error {
	owner, err := proc.NewOwner(proc.Options{Watchdog: []string{os.Args[0], "role=watchdog"}})
	if err != nil {
		return err
	}
	e, err := envoy.Start(context.Background(), owner, envoy.Options{
		Binary: envoy.Binary{Path: binary}, Dir: dir, Bootstrap: staticBootstrap(dir),
	})
	if err != nil {
		return err
	}
	if err := e.Ready(context.Background()); err != nil {
		return err
	}
	fmt.Println(e.Process().PID())
	time.Sleep(time.Minute)
	return nil
}

func staticBootstrap(dir string) envoy.BootstrapOptions {
	return envoy.BootstrapOptions{NodeID: "test", Admin: "unix://" + filepath.Join(dir, "admin.sock")}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func newOwner(t *testing.T) *proc.Owner {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	owner, err := proc.NewOwner(proc.Options{Watchdog: []string{self, "role=watchdog"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, owner.Close()) })
	return owner
}

// realEnvoy is the one that squall itself would take.
func realEnvoy(t *testing.T) envoy.Binary {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	b, err := envoy.Find(t.Context(), envoy.FindOptions{Path: os.Getenv("PATH"), CacheDir: filepath.Join(cache, "squall")})
	require.NoError(t, err, "this test needs a real Envoy: run `make envoy`")
	return b
}

// shortDir is a folder whose path leaves room for a socket's name on macOS too.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sq") //nolint:usetesting // t.TempDir has long paths
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// run starts an Envoy and waits until it is ready.
func run(t *testing.T, change func(*envoy.Options)) *envoy.Envoy {
	t.Helper()
	dir := shortDir(t)
	opts := envoy.Options{Binary: realEnvoy(t), Dir: dir, Bootstrap: staticBootstrap(dir)}
	if change != nil {
		change(&opts)
	}
	e, err := envoy.Start(t.Context(), newOwner(t), opts)
	require.NoError(t, err)
	require.NoError(t, e.Ready(within(t, 20*time.Second)))
	return e
}

func pack(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	require.NoError(t, err)
	return a
}

func anyOf(m proto.Message) (*anypb.Any, error) { return anypb.New(m) }

// warningsBut leaves out the lines that hold one of the words.
func warningsBut(lines []string, words ...string) []string {
	return slices.DeleteFunc(lines, func(line string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(line, w) })
	})
}

func loopback(port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: "127.0.0.1", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// httpListener listens on a port of the kernel's choice.
func httpListener(t *testing.T, name string, routes ...*routev3.Route) *listenerv3.Listener {
	t.Helper()
	manager := &hcmv3.HttpConnectionManager{
		StatPrefix: "outbound_0.0.0.0_9080;",
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: &routev3.RouteConfiguration{
			VirtualHosts: []*routev3.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: routes}},
		}},
		HttpFilters: []*hcmv3.HttpFilter{{
			Name: "envoy.filters.http.router", ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: pack(t, &routerv3.Router{})},
		}},
	}
	return &listenerv3.Listener{
		Name: name, Address: loopback(0),
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name:       "envoy.filters.network.http_connection_manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: pack(t, manager)},
		}}}},
	}
}

func matchPrefix(prefix string) *routev3.RouteMatch {
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: prefix}}
}

func hello(path string) *routev3.Route {
	return &routev3.Route{Match: matchPrefix(path), Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
		Status: 200, Body: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "hello"}},
	}}}
}

func toCluster(path, cluster string) *routev3.Route {
	return &routev3.Route{Match: matchPrefix(path), Action: &routev3.Route_Route{Route: &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster},
	}}}
}

// addressOf is where a listener ended up.
func addressOf(t *testing.T, e *envoy.Envoy, listener string) string {
	t.Helper()
	listeners, err := e.Admin().Listeners(t.Context())
	require.NoError(t, err)
	for _, l := range listeners.GetListenerStatuses() {
		if a := l.GetLocalAddress().GetSocketAddress(); l.GetName() == listener && a != nil {
			return net.JoinHostPort(a.GetAddress(), fmt.Sprint(a.GetPortValue()))
		}
	}
	require.Fail(t, "no such listener", listener)
	return ""
}

// get returns status and body.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	req.Close = true
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, strings.TrimSpace(string(body))
}
