package loadgen

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// seqHeader is where the attacker puts the number of a request. It is not sent.
const seqHeader = "X-Vegeta-Seq"

// sender is the round tripper under the attacker: it makes each request from its number, sends it once, reads the whole
// answer and hands out the result.
type sender struct {
	load       *Load
	ctx        context.Context // ends when the run is stopped
	start      time.Time
	transports []*http.Transport
	cookies    []*http.Cookie
	done       func(*Result)
	buffers    sync.Pool
}

// answered is what the attacker gets to see; all else is in the Result.
var answered = http.Response{Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}

// RoundTrip never fails: failures are results.
func (s *sender) RoundTrip(placeholder *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseUint(placeholder.Header.Get(seqHeader), 10, 64)
	if err != nil {
		return nil, err
	}
	if s.ctx.Err() == nil {
		result := s.send(seq)
		s.done(&result)
	}
	r := answered
	r.Header, r.Body, r.Request = http.Header{}, http.NoBody, placeholder
	return &r, nil
}

func (s *sender) send(seq uint64) Result {
	l := s.load
	ids := MakeIDs(l.Seed, l.Name, seq, !l.Undecided)
	result := Result{
		Load: l.Name, Seq: seq, Scheduled: s.start.Add(l.Pacer.Due(seq)), RequestID: ids.Request, TraceID: ids.Trace,
	}
	request := l.Requests(seq, l.random(seq))
	if address, ok := request.tcp(); ok {
		s.talk(s.ctx, address, request.Body, &result)
		return result
	}
	if l.GRPC {
		request.Method, request.Body = http.MethodPost, grpcFrame(request.Body)
	}
	req, err := request.build()
	if err != nil {
		result.Sent = time.Now()
		result.End, result.Err = result.Sent, err.Error()
		return result
	}
	ids.set(req.Header, !l.Undecided)
	for _, c := range s.cookies {
		req.AddCookie(c)
	}
	if l.GRPC {
		grpcHeader(req.Header)
	}

	result.Sent = time.Now()
	timed, release := context.WithTimeout(s.ctx, l.timeout())
	ctx, cancel := context.WithCancelCause(timed)
	s.exchange(req.WithContext(once(ctx, cancel)), seq, &result)
	cancel(nil)
	release()
	return result
}

// once cancels a request that the transport is about to send a second time: by itself it does so when a kept connection
// turns out to be closed, which would hide from the result what the mesh did.
func once(ctx context.Context, cancel context.CancelCauseFunc) context.Context {
	var written atomic.Bool
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { written.Store(true) },
		GetConn: func(string) {
			if written.Load() {
				cancel(errResent)
			}
		},
	})
}

func (s *sender) exchange(req *http.Request, seq uint64, result *Result) {
	var handshake atomic.Bool // failed
	if s.load.TLS != nil {
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
			TLSHandshakeDone: func(_ tls.ConnectionState, err error) { handshake.Store(err != nil) },
		}))
	}
	resp, err := s.transports[seq%uint64(len(s.transports))].RoundTrip(req)
	if err != nil && handshake.Load() {
		err = errHandshake{err}
	}
	if err == nil {
		result.Status = resp.StatusCode
		if err = s.read(resp, result); err == nil && s.load.GRPC {
			err = s.endGRPC(resp, result)
		}
		_ = resp.Body.Close()
	}
	result.End = time.Now()
	result.Err = classify(s.ctx, req.Context(), err)
}

func (s *sender) read(resp *http.Response, result *Result) error {
	l := s.load
	for _, name := range l.Headers {
		if v := resp.Header.Get(name); v != "" {
			if result.Header == nil {
				result.Header = make(map[string]string, len(l.Headers))
			}
			result.Header[name] = v
		}
	}
	if l.Extract.Body == nil {
		if l.Extract.Header != "" {
			result.Value = resp.Header.Get(l.Extract.Header)
		} else if l.Extract.Certificate != "" {
			result.Value = l.Extract.Certificate.of(resp.TLS)
		}
		var err error
		result.Bytes, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	buffer, _ := s.buffers.Get().(*bytes.Buffer)
	if buffer == nil {
		buffer = new(bytes.Buffer)
	}
	defer s.buffers.Put(buffer)
	buffer.Reset()
	n, err := buffer.ReadFrom(resp.Body)
	result.Bytes = n
	result.Value = firstGroup(l.Extract.Body.FindSubmatch(buffer.Bytes()))
	return err
}

func (s *sender) close() {
	for _, t := range s.transports {
		t.CloseIdleConnections()
	}
}
