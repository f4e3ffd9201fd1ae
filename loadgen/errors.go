package loadgen

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
)

// errResent stands for the transport's wish to send a request again on another connection.
var errResent = errors.New("connection closed before the answer")

// classify turns an error into what Result.Err says. The contexts are the run's and the request's.
func classify(run, request context.Context, err error) string {
	var timeout net.Error
	switch {
	case err == nil:
		return ""
	case errors.Is(context.Cause(request), errResent):
		return ErrReset
	case run.Err() != nil:
		return ErrCanceled
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return ErrExhausted
	case errors.Is(err, syscall.ECONNREFUSED):
		return ErrRefused
	case refusedByTLS(err):
		return ErrTLS + ": " + lastError(err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), saysReset(err.Error()):
		return ErrReset
	}
	if of, ok := errors.AsType[*url.Error](err); ok {
		err = of.Err
	}
	return err.Error()
}

// errHandshake is around whatever ended a TLS handshake.
type errHandshake struct{ cause error }

func (e errHandshake) Error() string { return "TLS handshake: " + e.cause.Error() }
func (e errHandshake) Unwrap() error { return e.cause }

// refusedByTLS knows a handshake that failed, and, since with TLS 1.3 a client's own part is over before the server has looked at the client's
// certificate, an alert that comes in place of an answer. crypto/tls does not export what an alert is.
func refusedByTLS(err error) bool {
	if _, ok := errors.AsType[errHandshake](err); ok {
		return true
	}
	of, ok := errors.AsType[*net.OpError](err)
	return ok && of.Op == "remote error"
}

// lastError is the innermost one.
func lastError(err error) string {
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return err.Error()
}

// saysReset knows errors that net/http does not export.
func saysReset(text string) bool {
	for _, part := range []string{
		"server closed idle connection", "transport connection broken", "stream error", "server sent GOAWAY", "client connection lost",
		"client connection force closed", "client conn could not be established",
	} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}
