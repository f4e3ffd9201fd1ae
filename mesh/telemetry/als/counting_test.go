package als_test

import (
	"testing"
	"time"

	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/mesh/telemetry/als"
)

// An entry says how its request is counted: what the proxy found for an expression, and "unknown" where it found nothing.
func TestCounting(t *testing.T) {
	hops := make(chan telemetry.Hop, 3)
	_, client := start(t, als.Options{Sink: func(h telemetry.Hop) { hops <- h }})
	stream, err := client.StreamAccessLogs(within(t, 5*time.Second))
	require.NoError(t, err)
	entry := func(tags map[string]string) *datav3.HTTPAccessLogEntry {
		return &datav3.HTTPAccessLogEntry{CommonProperties: &datav3.AccessLogCommon{CustomTags: tags}}
	}
	const rules = `{"REQUEST_COUNT":{"labels":{"tenant":"metric.0","host":"metric.1","source_principal":""}},"REQUEST_SIZE":{"disabled":true}}`
	require.NoError(t, stream.Send(&accesslogv3.StreamAccessLogsMessage{
		Identifier: identifier("sidecar~x.y", "inbound"),
		LogEntries: httpLogs(entry(map[string]string{"metrics": rules, "metric.0": "acme", "metric.1": "-"}), entry(map[string]string{"metrics": rules, "metric.0": "other"}), entry(nil)),
	}))
	require.Equal(t, telemetry.Counting{
		"REQUEST_COUNT": {Labels: map[string]string{"tenant": "acme", "host": "unknown", "source_principal": ""}},
		"REQUEST_SIZE":  {Disabled: true, Labels: map[string]string{}},
	}, (<-hops).Counting)
	require.Equal(t, "other", (<-hops).Counting["REQUEST_COUNT"].Labels["tenant"])
	require.Nil(t, (<-hops).Counting)
}
