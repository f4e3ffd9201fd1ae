//go:build !linux

package agent

import (
	"context"
	"net"

	"github.com/squallmesh/squall/mesh/netns"
)

// dialAsApp refuses: agents are there on Linux alone.
func dialAsApp(context.Context, string, string) (net.Conn, error) { return nil, netns.ErrUnsupported }
