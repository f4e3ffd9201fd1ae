package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/squallmesh/squall/mesh/platform"
)

// dialSocket is where a lab that stays up makes connections for runs that attach: they cannot enter its namespaces, and get the
// connections' file descriptors.
const dialSocket = "dial.sock"

// handoverTimeout bounds how long a connection may take.
const handoverTimeout = 30 * time.Second

// dialRequest asks for one connection. From is an instance's name, or empty.
type dialRequest struct{ From, Network, Address string }

// serveDials makes connections until the context ends.
func (h *Host) serveDials(ctx context.Context) error {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "unix", filepath.Join(h.lab.opts.Dir, dialSocket))
	if err != nil {
		return fmt.Errorf("the lab's socket: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		c, err := listener.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // closed at the end
			}
			return fmt.Errorf("the lab's socket: %w", err)
		}
		serving.Go(func() {
			defer c.Close() //nolint:errcheck // the answer has been sent
			h.serveDial(ctx, c.(*net.UnixConn))
		})
	}
}

// serveDial answers with a file descriptor and nothing to read but one byte, or with the words of an error.
func (h *Host) serveDial(ctx context.Context, c *net.UnixConn) {
	var req dialRequest
	if json.NewDecoder(c).Decode(&req) != nil {
		return
	}
	f, err := h.dialled(ctx, req)
	if err != nil {
		_, _ = c.Write([]byte(err.Error()))
		return
	}
	defer f.Close() //nolint:errcheck // our copy
	_, _, _ = c.WriteMsgUnix([]byte{0}, syscall.UnixRights(int(f.Fd())), nil)
}

func (h *Host) dialled(ctx context.Context, req dialRequest) (*os.File, error) {
	var from *platform.Instance
	if req.From != "" {
		i, ok := h.lab.Instance(req.From)
		if !ok {
			return nil, fmt.Errorf("there is no workload %q", req.From)
		}
		from = i
	}
	dial := h.lab.Dial(from)
	if dial == nil {
		return nil, errors.New("anybody can connect to this lab")
	}
	ctx, cancel := context.WithTimeout(ctx, handoverTimeout)
	defer cancel()
	c, err := dial(ctx, req.Network, req.Address)
	if err != nil {
		return nil, err
	}
	defer c.Close() //nolint:errcheck // the file is a copy
	t, ok := c.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("connections of kind %s cannot be handed over", req.Network)
	}
	return t.File()
}

// dialThrough makes connections through a lab's socket.
func dialThrough(socket, from string) platform.Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", socket)
		if err != nil {
			return nil, fmt.Errorf("the lab: %w", err)
		}
		defer c.Close() //nolint:errcheck // the answer has been read
		if at, ok := ctx.Deadline(); ok {
			_ = c.SetDeadline(at)
		}
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		defer stop()
		if err := json.NewEncoder(c).Encode(dialRequest{from, network, address}); err != nil {
			return nil, fmt.Errorf("the lab: %w", err)
		}
		words, rights := make([]byte, 1024), make([]byte, 64)
		n, nr, _, _, err := c.(*net.UnixConn).ReadMsgUnix(words, rights)
		if err != nil {
			return nil, fmt.Errorf("the lab: %w", err)
		}
		if nr == 0 {
			return nil, errors.New(string(words[:n]))
		}
		return handedOver(rights[:nr])
	}
}

func handedOver(rights []byte) (net.Conn, error) {
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("the lab sent no connection: %w", err)
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("the lab sent no connection: %w", err)
	}
	syscall.CloseOnExec(fds[0])
	f := os.NewFile(uintptr(fds[0]), "connection")
	defer f.Close() //nolint:errcheck // the connection is a copy
	return net.FileConn(f)
}
