package backend

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// listener counts connections and hands out ones that can be broken.
type listener struct {
	net.Listener
	port   string
	ledger *ledger
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.ledger.opened(l.port)
	return &conn{Conn: c, closed: func() { l.ledger.closed(l.port) }}, nil
}

type conn struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *conn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.closed)
	return err
}

// reset closes with RST in place of FIN.
func (c *conn) reset() {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
