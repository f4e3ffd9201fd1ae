package promql

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// Writer sends points to a Prometheus, or whatever takes its remote write protocol (version 1).
type Writer struct {
	// URL of the receiver: http://127.0.0.1:9090/api/v1/write.
	URL string
	// Client does the requests; nil has one with a timeout of 10 s.
	Client *http.Client
}

// Write sends points, and returns when they were taken.
func (w Writer) Write(ctx context.Context, points []telemetry.Point) error {
	in := &prompb.WriteRequest{}
	for i := range points {
		p := &points[i]
		series := prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: nameLabel, Value: p.Name}},
			Samples: []prompb.Sample{{Value: p.Value, Timestamp: p.Time.UnixMilli()}},
		}
		for _, l := range p.Labels {
			series.Labels = append(series.Labels, prompb.Label{Name: l.Name, Value: l.Value})
		}
		slices.SortFunc(series.Labels, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) })
		in.Timeseries = append(in.Timeseries, series)
	}
	data, err := in.Marshal()
	if err != nil {
		return fmt.Errorf("remote write: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(snappy.Encode(nil, data)))
	if err != nil {
		return fmt.Errorf("remote write: %w", err)
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	client := w.Client
	if client == nil {
		client = &http.Client{Timeout: 10 * time.Second}
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("remote write: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode/100 != 2 {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("remote write: %s answered %s: %s", w.URL, resp.Status, bytes.TrimSpace(said))
	}
	return nil
}
