package agent

import (
	"context"
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/squallmesh/squall/mesh/netns"
)

// dialAsApp connects such that the kernel redirects the connection to the sidecar.
func dialAsApp(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		outer := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, netns.AppService) })
		return errors.Join(outer, err)
	}}
	return d.DialContext(ctx, network, address)
}
