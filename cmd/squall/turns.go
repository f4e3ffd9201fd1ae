package main

import (
	"context"

	"github.com/squallmesh/squall/mesh/platform"
)

// turns is a platform on which one mesh starts at a time. A start keeps every processor busy for about a second, so what runs beside one is
// still judged, and what runs beside several is not: its faults and its requests come late.
type turns struct {
	platform.Platform
	taken turn
}

// turn holds a value while a mesh starts; all that run side by side share it.
type turn chan struct{}

func (t turn) take(ctx context.Context) (done func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (t turns) Start(ctx context.Context, s platform.Spec) (platform.Deployment, error) {
	done, err := t.taken.take(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	return t.Platform.Start(ctx, s)
}
