package loadgen

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// talk is a request over plain TCP: a connection of its own, on which the body is sent and the answer read to its end. An answer
// has the status 200; a connection that ends without a byte has none, and is a reset.
func (s *sender) talk(ctx context.Context, address string, body []byte, result *Result) {
	timed, release := context.WithTimeout(ctx, s.load.timeout())
	defer release()
	result.Sent = time.Now()
	err := s.converse(timed, address, body, result)
	result.End = time.Now()
	result.Err = classify(s.ctx, timed, err)
}

func (s *sender) converse(ctx context.Context, address string, body []byte, result *Result) error {
	c, err := s.load.dialer()(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })
	defer stop()
	if _, err := c.Write(body); err != nil {
		return err
	}
	if half, ok := c.(*net.TCPConn); ok {
		if err := half.CloseWrite(); err != nil {
			return err
		}
	}
	var answer bytes.Buffer
	n, err := answer.ReadFrom(c)
	result.Bytes = n
	if n > 0 {
		result.Status = 200
	}
	if s.load.Extract.Body != nil {
		result.Value = firstGroup(s.load.Extract.Body.FindSubmatch(answer.Bytes()))
	}
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ctx.Err()
	}
	return err
}

// firstGroup is a match's first group, or the whole match if it has none.
func firstGroup(found [][]byte) string {
	switch len(found) {
	case 0:
		return ""
	case 1:
		return string(found[0])
	}
	return string(found[1])
}
