package backend

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"
)

// lineServer serves the TCP port: each line is a request.
type lineServer struct {
	*Server
	wg sync.WaitGroup

	mu    sync.Mutex
	conns map[*conn]struct{} // nil once stopped
}

func (s *lineServer) serve(ln net.Listener) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			s.wg.Wait()
			if s.ctx.Err() != nil {
				return nil
			}
			return err
		}
		tracked, _ := c.(*conn)
		s.mu.Lock()
		if s.conns == nil {
			s.mu.Unlock()
			_ = c.Close()
			continue
		}
		s.conns[tracked] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() { s.talk(tracked) })
	}
}

// shutdown lets the lines that have been read be answered, for at most grace, and closes all connections.
func (s *lineServer) shutdown(grace time.Duration) {
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	for c := range conns {
		_ = c.SetReadDeadline(time.Unix(1, 0))
		_ = c.SetWriteDeadline(time.Now().Add(grace))
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// talk reads ahead, so that it knows when the caller leaves, and answers line by line.
func (s *lineServer) talk(c *conn) {
	ctx, left := context.WithCancel(s.ctx)
	lines := make(chan string, 1024)
	s.wg.Go(func() {
		defer left()
		defer close(lines)
		scan := bufio.NewScanner(c)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			select {
			case lines <- scan.Text():
			case <-ctx.Done():
				return
			}
		}
	})
	defer func() {
		left()
		_ = c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	for line := range lines {
		if !s.answerLine(ctx, c, line) {
			return
		}
	}
}

// answerLine returns false when the connection is to be closed.
func (s *lineServer) answerLine(ctx context.Context, c *conn, line string) bool {
	t := s.ledger.arrive(request{port: TCP, path: line})
	defer s.ledger.left(t) // counts only what has not ended otherwise
	if !s.ledger.await(ctx, s.stopping, t) {
		return false
	}
	o := s.ledger.outcome(t)
	if !s.ledger.pause(ctx, s.stopping, o.Delay) {
		return false
	}
	switch o.End {
	case Answer:
	case Hang:
		if s.ledger.pause(ctx, s.stopping, -1) {
			s.ledger.complete(t, string(Close))
		}
		return false
	case Reset:
		s.ledger.complete(t, string(Reset))
		c.reset()
		return false
	case Close:
		s.ledger.complete(t, string(Close))
		return false
	}
	body, own := o.body()
	if !own {
		body = s.opts.Workload + " " + line
	}
	s.ledger.complete(t, "line")
	_, err := c.Write([]byte(body + "\n"))
	return err == nil
}
