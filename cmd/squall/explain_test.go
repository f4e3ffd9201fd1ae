package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
)

// Without rules it is a live Envoy that says what it does, down to the place of the rule that it was given.
func TestALiveEnvoyIsExplained(t *testing.T) {
	l := startLab(t, "--platform", "loopback")
	path := filepath.Join(t.TempDir(), "details.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: details}
spec:
  hosts: [details]
  http:
    - name: slow
      match: [{uri: {prefix: /details/9}}]
      timeout: 3s
      fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
      route: [{destination: {host: details}}]
    - name: rest
      route: [{destination: {host: details}}]
`), 0o600))
	out, code := l.command(t, "apply", path)
	require.Equal(t, exitPass, code, out)
	out, code = l.command(t, "explain", "--from", "productpage-v1", "--get", "http://details:9080/details/9")
	require.Equal(t, exitPass, code, out)
	require.Contains(t, out, ", as its Envoy is configured now")
	require.Regexp(t, `ROUTE +0 slow: /details/9\* +`+path+`:8:15`, out)
	require.Regexp(t, `shadowed +1 rest: /\* +`+path+`:12:7`, out)
	require.Regexp(t, `fault +status 418 for 100 % of the requests +`+path+`:7:7`, out)
	require.Regexp(t, `endpoints +details-v1\S* \(127\.\S+:9080\)`, out)
	require.Regexp(t, `timeout 3s +by a rule`, out)
	out, code = l.command(t, "explain", "--from", "nobody", "--get", "http://details:9080/")
	require.Equal(t, exitInvalid, code, out)
	require.Contains(t, out, `no single workload is called "nobody"`)
}

func TestEveryFlagHasWords(t *testing.T) {
	require.True(t, slices.IsSortedFunc(responseFlags, func(a, b responseFlag) int {
		if a.letters < b.letters {
			return -1
		}
		return 1
	}))
	require.Len(t, responseFlags, 30, "Envoy 1.40 has as many")
	for _, f := range responseFlags {
		require.NotEmpty(t, f.means, f.letters)
		require.NotEmpty(t, f.look, f.letters)
	}
	_, ok := flagNamed("UO")
	require.True(t, ok)
}

// A request of a run is found by what is known of it, and so is what the scenario did meanwhile.
func TestARecordedRequestIsFound(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	run := &record.Run{
		Start: start,
		Results: []loadgen.Result{
			{Seq: 0, TraceID: "aa01", Scheduled: at(1), Sent: at(1), End: at(2), Status: 200},
			{Seq: 1, TraceID: "aa02", Scheduled: at(4), Sent: at(4), End: at(5), Status: 200},
			{Seq: 2, TraceID: "bb03", Scheduled: at(6), Sent: at(6), End: at(9), Status: 200},
		},
		Events: []record.Event{{Kind: "fault", At: 4500 * time.Millisecond, Until: 6 * time.Second, What: "abort"}},
	}
	_, err := bundleChoice{dir: "d", failed: true}.pick(run)
	require.ErrorContains(t, err, "none of the 3 requests of d failed, and no call behind them")
	run.Hops = []telemetry.Hop{{TraceID: "aa02", Status: 500, Direction: telemetry.Outbound}}
	for want, choice := range map[uint64]bundleChoice{0: {trace: "aa01"}, 1: {failed: true}, 2: {slowest: true}} {
		got, err := choice.pick(run)
		require.NoError(t, err)
		require.Equal(t, want, got.Seq)
	}
	run.Results[2].Err = loadgen.ErrTimeout
	got, err := bundleChoice{failed: true}.pick(run)
	require.NoError(t, err)
	require.EqualValues(t, 2, got.Seq, "what failed for the client goes before what failed behind it")
	_, err = bundleChoice{trace: "aa"}.pick(run)
	require.EqualError(t, err, "2 traces begin with aa: say more of the id")

	require.Empty(t, eventsAt(run, run.Results[0]))
	require.Len(t, eventsAt(run, run.Results[1]), 1, "it began while the request was under way")
	require.Empty(t, eventsAt(run, run.Results[2]), "it had ended")
}

// Where it went wrong is the innermost call with a flag, as its caller saw it.
func TestTheSuspect(t *testing.T) {
	hop := func(d telemetry.Direction, name string, status int, took time.Duration, flags ...string) recordedHop {
		return recordedHop{Hop: telemetry.Hop{Direction: d, Authority: name, Status: status, Duration: took, Flags: flags}}
	}
	for _, c := range []struct {
		want string
		hops []recordedHop
	}{
		{"b", []recordedHop{hop(telemetry.Gateway, "a", 503, 9), hop(telemetry.Outbound, "b", 503, 8, "UO"), hop(telemetry.Outbound, "c", 200, 1)}},
		{"b", []recordedHop{hop(telemetry.Gateway, "a", 500, 9), hop(telemetry.Outbound, "b", 503, 8), hop(telemetry.Inbound, "b", 503, 7, "UF")}},
		{"c", []recordedHop{hop(telemetry.Gateway, "a", 200, 100), hop(telemetry.Outbound, "b", 200, 5), hop(telemetry.Outbound, "c", 200, 95)}},
	} {
		require.Equal(t, c.want, (&recorded{Hops: c.hops}).suspect().Authority)
	}
	require.Nil(t, (&recorded{}).suspect())
}
