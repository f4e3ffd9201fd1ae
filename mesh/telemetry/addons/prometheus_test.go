package addons_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/addons"
	"github.com/squallmesh/squall/mesh/telemetry/collect"
)

// direct keeps no connections.
var direct = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// freePort is one that nobody has at this moment.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	return listener.Addr().(*net.TCPAddr).Port
}

// A real Prometheus finds the mesh by service discovery and scrapes it, and takes what is sent to it.
func TestARealPrometheus(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no program prometheus")
	}
	dir := t.TempDir()
	c, err := collect.Start(t.Context(), collect.Options{AccessLogs: filepath.Join(dir, "a.sock"), Traces: filepath.Join(dir, "z.sock")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	at := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	forward, err := addons.ToPrometheus("http://" + at + "/api/v1/write")
	require.NoError(t, err)
	s, err := addons.New(addons.Options{Collector: c, Dir: filepath.Join(dir, "metrics"), Every: 200 * time.Millisecond, Forward: []addons.Forward{forward}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	for range 7 {
		c.Ledger.Add(telemetry.Hop{Time: time.Now(), Proxy: "g", Workload: "gw", Direction: telemetry.Gateway, Status: 200})
	}
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil,
		"scrape_configs:\n  - job_name: found\n    scrape_interval: 1s\n    scrape_timeout: 1s\n    http_sd_configs: [{url: \"http://%s/sd\"}]\n", listener.Addr()), 0o600))
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"),
		"--web.listen-address="+at, "--web.enable-remote-write-receiver")
	cmd.Stdout, cmd.Stderr = &log, &log
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	// Scraped series have the target's labels, those that were sent have not.
	for _, query := range []string{`istio_requests_total{instance!=""}`, `istio_requests_total{instance=""}`} {
		require.Eventually(t, func() bool { return value(http.MethodGet, "http://"+at, query) == "7" }, time.Minute, 100*time.Millisecond, query)
	}
}

// value is that of the only series that a query gives, or empty.
func value(method, address, query string) string {
	req, err := http.NewRequest(method, address+"/api/v1/query?"+url.Values{"query": {query}}.Encode(), nil) //nolint:noctx // the test's own server
	if err != nil {
		return ""
	}
	resp, err := direct.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	var answer struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if json.NewDecoder(resp.Body).Decode(&answer) != nil || len(answer.Data.Result) != 1 {
		return ""
	}
	text, _ := answer.Data.Result[0].Value[1].(string)
	return text
}
