package bookinfo

import (
	"bufio"
	"cmp"
	"context"
	"net"
	"sync"
	"time"
)

// listenTCPEcho makes the service that sends each line back behind a word.
func listenTCPEcho(ctx context.Context, o Options) (*Server, error) {
	ln, err := listen(ctx, o.Listen)
	if err != nil {
		return nil, err
	}
	e := &tcpEcho{prefix: cmp.Or(o.Env("TCP_ECHO_PREFIX"), "hello") + " ", conns: map[net.Conn]struct{}{}}
	return &Server{
		addrs: map[string]net.Addr{"tcp": ln.Addr()},
		run:   func(ctx context.Context) error { return e.run(ctx, ln, o.Grace) },
	}, nil
}

type tcpEcho struct {
	prefix string
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// run accepts until ctx is cancelled; open connections then have grace to be closed by their callers.
func (e *tcpEcho) run(ctx context.Context, ln net.Listener, grace time.Duration) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var failed error
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() == nil {
				failed = err
			}
			break
		}
		e.mu.Lock()
		e.conns[c] = struct{}{}
		e.mu.Unlock()
		e.wg.Go(func() { e.echo(c) })
	}
	_ = ln.Close()
	cut := time.AfterFunc(grace, e.closeAll)
	defer cut.Stop()
	e.wg.Wait()
	return failed
}

func (e *tcpEcho) closeAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for c := range e.conns {
		_ = c.Close()
	}
}

func (e *tcpEcho) echo(c net.Conn) {
	defer func() {
		e.mu.Lock()
		delete(e.conns, c)
		e.mu.Unlock()
		_ = c.Close()
	}()
	lines := bufio.NewScanner(c)
	lines.Buffer(nil, maxBody)
	for lines.Scan() {
		if _, err := c.Write([]byte(e.prefix + lines.Text() + "\n")); err != nil {
			return
		}
	}
}
