package main

import (
	"context"

	"github.com/squallmesh/squall/mesh/platform"
)

// turns is a platform on which one mesh starts at a time. A start keeps every processor busy for about a second, so what runs beside one is
// still judged, and what runs beside several is not: its faults and its requests come late.
type turns struct {
	platform.Platform
	// taken holds a value while a mesh starts; all that run side by side share it.
	taken chan struct{}
}

func (t turns) Start(ctx context.Context, s platform.Spec) (platform.Deployment, error) {
	select {
	case t.taken <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-t.taken }()
	return t.Platform.Start(ctx, s)
}
