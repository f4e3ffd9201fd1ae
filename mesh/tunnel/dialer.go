package tunnel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Dialer makes connections through a pod's agent.
type Dialer struct {
	// Address is where the agent listens, host:port or the path of a Unix socket; Token is what it wants to hear.
	Address, Token string
	// Through reaches the agent; nil is the usual way.
	Through func(ctx context.Context, network, address string) (net.Conn, error)
}

// Dial connects from within the pod: to a Unix socket, a TCP address, or, as App, to one as the pod's app.
func (d Dialer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	through := d.Through
	if through == nil {
		through = new(net.Dialer).DialContext
	}
	kind := TCP
	if strings.HasPrefix(d.Address, "/") {
		kind = Unix
	}
	c, err := through(ctx, kind, d.Address)
	if err != nil {
		return nil, fmt.Errorf("the agent at %s: %w", d.Address, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	r, err := d.ask(c, network, address)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &conn{c, r}, nil
}

// AsApp is Dial from where the pod's app is.
func (d Dialer) AsApp(ctx context.Context, _, address string) (net.Conn, error) {
	return d.Dial(ctx, App, address)
}

func (d Dialer) ask(c net.Conn, network, address string) (*bufio.Reader, error) {
	if strings.ContainsAny(address, "\r\n") {
		return nil, fmt.Errorf("%q is no address", address)
	}
	_ = c.SetDeadline(time.Now().Add(dialTimeout + headerTimeout))
	_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: agent\r\nConnection: Upgrade\r\nUpgrade: %s\r\nAuthorization: %s%s\r\n%s: %s\r\n%s: %s\r\n\r\n",
		Path, protocol, bearer, d.Token, networkField, network, addressField, address)
	if err != nil {
		return nil, fmt.Errorf("the agent at %s: %w", d.Address, err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, fmt.Errorf("the agent at %s: %w", d.Address, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s, through the agent at %s: %s", address, d.Address, strings.TrimSpace(string(text)))
	}
	return r, c.SetDeadline(time.Time{})
}

// conn is a connection of which some may have been read already.
type conn struct {
	net.Conn
	r *bufio.Reader
}

// Read reads.
func (c *conn) Read(b []byte) (int, error) { return c.r.Read(b) }

// CloseWrite ends what is sent, where the way allows it.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}
