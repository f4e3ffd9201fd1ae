package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/mesh/proc"
)

// attached begins a run that attaches to the lab, and returns once its fault is in force.
func (l *runningLab) attached(t *testing.T, fault string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scenario.yaml")
	require.NoError(t, os.WriteFile(path, []byte(fmt.Sprintf(`apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: lease}
spec:
  title: A fault whose runner dies
  app: bookinfo
  warmup: 0s
  load: [{name: callers, rate: 20/s, duration: 60s, timeout: 1s, request: {path: /ratings/0, from: reviews-v1, host: "ratings:9080"}}]
  timeline: [{at: 200ms, name: broken, fault: {%s}}]
  checks: [{load: callers, success: "> 0%%"}]
`, fault)), 0o600))
	c := exec.Command(program(t), "run", "--attach", path)
	c.Env = append(os.Environ(), "TMPDIR="+l.tmp)
	stderr, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	said := ""
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said += lines.Text() + "\n"
		if strings.HasPrefix(strings.TrimSpace(lines.Text()), "0.") && !strings.Contains(said, "squall:") {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return c
		}
	}
	t.Fatalf("%s did not begin:\n%s", fault, said)
	return nil
}

// caller calls ratings as reviews does: through its sidecar.
func (l *runningLab) caller(t *testing.T) func() error {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(l.tmp, fmt.Sprintf("squall-%d-default.json", os.Getuid())))
	require.NoError(t, err)
	var s labState
	require.NoError(t, json.Unmarshal(data, &s))
	sidecar, err := s.proxy("reviews-v1")
	require.NoError(t, err)
	return through(t, sidecar.Address, "http://ratings:9080/ratings/0")
}

// through calls a URL through the sidecar at an address, as its app does.
func through(t *testing.T, sidecar, target string) func() error {
	t.Helper()
	proxy := &url.URL{Scheme: "http", Host: sidecar + ":15001"}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
	return func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		require.NoError(t, err)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	}
}

// A runner that is killed in the middle of a fault leaves a mesh that carries clean traffic again within the lease, and that the
// next run can use.
func TestAFaultEndsWithItsKilledRunner(t *testing.T) {
	t.Parallel()
	l := startLab(t, "--platform", "loopback", "--relay", "reviews:ratings")
	call := l.caller(t)
	require.NoError(t, call())
	for _, fault := range []string{
		`delay: {to: ratings, fixed: 5s}`,
		`abort: {to: ratings, status: 503}`,
		`kill: {workload: ratings-v1}`,
		`kill: {workload: ratings-v1, target: both}`,
		`pause: {workload: ratings-v1}`,
		`pause: {workload: ratings-v1, target: sidecar}`,
		`latency: {from: reviews, to: ratings, fixed: 5s}`,
		`bandwidth: {from: reviews, to: ratings, rate: 1kB/s}`,
		`stall: {from: reviews, to: ratings}`,
		`reset: {from: reviews, to: ratings}`,
	} {
		t.Run(strings.NewReplacer("{", "", "}", "", ":", "", ",", "", " ", "-").Replace(fault), func(t *testing.T) {
			run := l.attached(t, fault)
			require.Error(t, call(), "the fault does nothing")
			require.NoError(t, run.Process.Kill())
			killed := time.Now()
			require.Eventually(t, func() bool { return call() == nil }, 2*mesh.LeaseTime, 10*time.Millisecond, "the fault outlives its runner")
			t.Logf("clean %.1fs after SIGKILL", time.Since(killed).Seconds())
		})
	}
}

// Two faults whose leases overlap end each at its own time, also when the control plane is killed during both: nobody has to be there.
func TestOverlappingLeasesEndEachAtItsOwnTime(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("control plane killed %v", killed), func(t *testing.T) {
			lab, dir := ownLab(t, "bookinfo")
			caller, ok := lab.Instance("productpage-v1")
			require.True(t, ok)
			ratings := through(t, caller.Address, "http://ratings:9080/ratings/0")
			details := through(t, caller.Address, "http://details:9080/details/0")
			require.NoError(t, ratings())
			require.NoError(t, details())
			for slot, service := range []string{"ratings", "details"} {
				_, err := lab.Client().SetLease(t.Context(), slot, &model.LeasedFault{
					ID: service, Host: service + ".default.svc.cluster.local", Armed: true, Abort: &model.Abort{HTTPStatus: 503, Percent: 100},
				})
				require.NoError(t, err)
			}
			require.Error(t, ratings())
			require.Error(t, details())
			<-time.After(mesh.LeaseTime / 2)
			require.NoError(t, lab.Client().Renew(t.Context(), 1))
			renewed := time.Now()
			if killed {
				killControlPlane(t, dir)
			}
			require.Eventually(t, func() bool { return ratings() == nil }, 2*mesh.LeaseTime, 10*time.Millisecond)
			require.Error(t, details(), "it was renewed")
			require.Eventually(t, func() bool { return details() == nil }, 2*mesh.LeaseTime, 10*time.Millisecond)
			t.Logf("clean %.2fs after the last renewal", time.Since(renewed).Seconds())
		})
	}
}

// ownLab is a lab of an app of squall that this test starts itself, and its folder.
func ownLab(t *testing.T, name string) (*local.Lab, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sq") //nolint:usetesting // short paths for sockets
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	owner, err := proc.NewOwner(proc.Options{Watchdog: []string{program(t), "watchdog"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, owner.Close()) })
	collector, err := local.Collect(t.Context(), dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, collector.Close()) })
	app, _, err := loadApp(name)
	require.NoError(t, err)
	binary, err := findEnvoy(t.Context(), osEnvironment(), "")
	require.NoError(t, err)
	lab, err := local.Start(t.Context(), local.Options{Squall: program(t), Envoy: binary, Owner: owner, Dir: dir, App: app})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lab.Close()) })
	return lab, dir
}

// killControlPlane finds it by its command line, in which the lab's folder stands.
func killControlPlane(t *testing.T, dir string) {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		words := strings.Split(string(data), "\x00")
		if err != nil || len(words) < 2 || words[1] != "mesh" || !strings.Contains(string(data), dir) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
		return
	}
	t.Fatal("there is no control plane")
}

// A run that attaches gets a verdict as one with a mesh of its own does, sets the mesh back, and is refused what is not its own to break.
func TestAnAttachedRunLeavesTheMeshAsItWas(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	before, code := l.command(t, "get", "routes", "productpage-v1")
	require.Equal(t, exitPass, code, before)
	for range 2 {
		out, code := l.command(t, "run", "--attach", "../../scenarios/catalog/fault-abort")
		require.Equal(t, exitPass, code, out)
		require.Contains(t, out, "PASS fault-abort")
	}
	after, code := l.command(t, "get", "routes", "productpage-v1")
	require.Equal(t, exitPass, code, after)
	require.Equal(t, before, after)

	out, code := l.command(t, "run", "--attach", "../../scenarios/catalog/control-plane-down")
	require.Equal(t, exitInvalid, code, out)
	require.Contains(t, out, "NOT-ATTACHED")
	out, code = l.command(t, "run", "--attach", "../../scenarios/catalog/circuit-breaking")
	require.Equal(t, exitInvalid, code, out)
	require.Contains(t, out, "the mesh that is up runs bookinfo, not backend")
}
