package zipkin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// direct keeps no connections, which would outlast the test.
var direct = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// zipkinServer starts the real one, or skips the test where it cannot.
func zipkinServer(t *testing.T) string {
	t.Helper()
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("there is no java, which runs the real Zipkin server")
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	jars, err := filepath.Glob(filepath.Join(cache, "squall", "zipkin", "zipkin-server-*-exec.jar"))
	require.NoError(t, err)
	if len(jars) == 0 {
		t.Skipf("the real Zipkin server is not there: put io.zipkin:zipkin-server (classifier exec) into %s", filepath.Join(cache, "squall", "zipkin"))
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	var log bytes.Buffer
	cmd := exec.CommandContext(t.Context(), java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m",
		"-Darmeria.ports[0].ip=127.0.0.1", fmt.Sprintf("-Darmeria.ports[0].port=%d", port), "-Darmeria.ports[0].protocols[0]=http", "-jar", jars[0])
	cmd.Stdout, cmd.Stderr, cmd.Dir = &log, &log, t.TempDir()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	require.Eventually(t, func() bool {
		resp, err := direct.Get(url + "/health") //nolint:noctx // the test's own server
		if err != nil {
			return false
		}
		defer resp.Body.Close() //nolint:errcheck // read only
		return resp.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond)
	return url
}

// The real Zipkin server reads spans as the store has them, and finds the same trace and dependency in them.
func TestTheRealServer(t *testing.T) {
	url := zipkinServer(t)
	now := time.Now().UnixMicro()
	spans := []telemetry.Span{
		{
			TraceID: "0000000000000000000000000000002a", ID: "00000000000000aa", Kind: telemetry.Client, Name: "page", Timestamp: now, Duration: 2500,
			LocalEndpoint: &telemetry.Endpoint{ServiceName: "front.default"}, Tags: map[string]string{"http.status_code": "200"},
		},
		{
			TraceID: "0000000000000000000000000000002a", ID: "00000000000000bb", ParentID: "00000000000000aa", Kind: telemetry.Server, Name: "page",
			Timestamp: now + 100, Duration: 2000, LocalEndpoint: &telemetry.Endpoint{ServiceName: "page.default"}, Tags: map[string]string{"team": "books"},
		},
	}
	data, err := json.Marshal(spans)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ask := func(method, path string, body io.Reader) (int, []byte) {
		req, err := http.NewRequestWithContext(ctx, method, url+path, body)
		require.NoError(t, err)
		if body != nil {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := direct.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close() //nolint:errcheck // read only
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, answer
	}
	code, answer := ask(http.MethodPost, "/api/v2/spans", bytes.NewReader(data))
	require.Equal(t, http.StatusAccepted, code, "%s", answer)
	var got []telemetry.Span
	require.Eventually(t, func() bool {
		code, answer := ask(http.MethodGet, "/api/v2/trace/0000000000000000000000000000002a", nil)
		return code == http.StatusOK && json.Unmarshal(answer, &got) == nil && len(got) == 2
	}, 30*time.Second, 50*time.Millisecond)
	tree := telemetry.MakeTree(got)
	require.Equal(t, []string{"front.default", "page.default"}, tree.Services)
	require.Equal(t, 2, tree.Depth)
	require.Equal(t, "books", tree.Spans[1].Tags["team"])
	var links []struct {
		Parent, Child string
		CallCount     int
	}
	_, answer = ask(http.MethodGet, fmt.Sprintf("/api/v2/dependencies?endTs=%d&lookback=600000", time.Now().Add(time.Minute).UnixMilli()), nil)
	require.NoError(t, json.Unmarshal(answer, &links))
	require.Len(t, links, 1)
	require.Equal(t, "page.default", links[0].Child)
}
