package local

import (
	"context"
	"path/filepath"

	"github.com/squallmesh/squall/mesh/telemetry/collect"
)

// Sockets in a lab's folder on which somebody may collect what proxies report: access logs by gRPC, spans in Zipkin's
// format by HTTP. What nobody collects is lost.
const (
	AccessLogSocket = "als.sock"
	ZipkinSocket    = "zipkin.sock"
)

// Collect takes what the proxies of the lab in a folder report, from before the lab is started until Close.
func Collect(ctx context.Context, dir string) (*collect.Collector, error) {
	return collect.Start(ctx, collect.Options{
		AccessLogs: filepath.Join(dir, AccessLogSocket), Traces: filepath.Join(dir, ZipkinSocket),
	})
}
