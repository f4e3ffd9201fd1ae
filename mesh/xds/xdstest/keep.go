package xdstest

import (
	"errors"
	"io"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/squallmesh/squall/mesh/xds/translate"
)

// Received counts what a proxy was sent. It may be read while Keep runs.
type Received struct {
	// Changed counts resources that came new or in another version, and Bytes all responses' sizes.
	Changed, Bytes atomic.Int64
}

// Keep plays an Envoy until the stream ends: it asks for all clusters and listeners, for the endpoints of each cluster, and
// for these route tables, and acknowledges what comes at once.
func (c *Client) Keep(received *Received, tables ...string) error {
	if err := errors.Join(c.Subscribe(translate.Cluster), c.Subscribe(translate.Listener), c.Subscribe(translate.Route, tables...)); err != nil {
		return err
	}
	for {
		r, err := c.Next()
		if err != nil {
			if errors.Is(err, io.EOF) || status.Code(err) == codes.Canceled || status.Code(err) == codes.Unavailable {
				return nil
			}
			return err
		}
		received.Bytes.Add(int64(proto.Size(r.DeltaDiscoveryResponse)))
		for _, res := range r.GetResources() {
			if c.Held[r.Type][res.GetName()] != res.GetVersion() {
				received.Changed.Add(1)
			}
		}
		var fresh []string
		if r.Type == translate.Cluster {
			names, err := EDSNames(r)
			if err != nil {
				return err
			}
			for _, name := range names {
				if c.Held[translate.Cluster][name] == "" {
					fresh = append(fresh, name)
				}
			}
		}
		// An Envoy acknowledges clusters when they are warm, and so after it asked for their endpoints.
		if len(fresh) > 0 {
			if err := c.Subscribe(translate.Endpoint, fresh...); err != nil {
				return err
			}
		}
		if err := c.Ack(r); err != nil {
			return err
		}
	}
}
