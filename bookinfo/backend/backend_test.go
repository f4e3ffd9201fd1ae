package backend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/bookinfo/backend"
)

func TestPlainAnswers(t *testing.T) {
	l := start(t, backend.Options{})
	for port, proto := range map[string]string{backend.HTTP: "HTTP/1.1", backend.HTTP2: "HTTP/2.0"} {
		a := l.get(l.ctx, port, "/a?b=c", "X-Request-Id", "r1", "X-Envoy-Attempt-Count", "3", "X-Color", "red")
		require.NoError(t, a.err)
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, "backend-v7", a.header.Get("X-Backend"))
		require.Equal(t, "v7", a.header.Get("X-Backend-Version"))
		require.Equal(t, "r1", a.header.Get("X-Request-Id"))
		require.Equal(t, "3", a.header.Get("X-Backend-Attempt"))
		var seen backend.Seen
		require.NoError(t, json.Unmarshal([]byte(a.body), &seen))
		require.Equal(t, proto, seen.Protocol)
		require.Equal(t, "/a?b=c", seen.Path)
		require.Equal(t, "red", seen.Header.Get("X-Color"))
		require.Equal(t, l.addrs[port], seen.Host)
		require.Equal(t, "ok\n", l.get(l.ctx, port, "/healthz").body)
		require.EqualValues(t, 1, l.state(port).Arrived, "health checks do not count")
	}

	var head metadata.MD
	got, err := l.echo(metadata.AppendToOutgoingContext(l.ctx, "x-request-id", "r2"), "hello", grpc.Header(&head))
	require.NoError(t, err)
	require.Equal(t, "hello", got)
	require.Equal(t, []string{"backend-v7"}, head.Get("x-backend"))
	require.Equal(t, []string{"r2"}, head.Get("x-request-id"))

	a := l.line(l.ctx, "hello")
	require.NoError(t, a.err)
	require.Equal(t, "backend-v7 hello", a.body)

	s, err := l.State(l.ctx)
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"200": 1}, s.Ports[backend.HTTP].Statuses)
	require.Equal(t, map[string]int64{"grpc-0": 1}, s.Ports[backend.GRPC].Statuses)
	require.Equal(t, map[string]int64{"line": 1}, s.Ports[backend.TCP].Statuses)
	require.Equal(t, []backend.AttemptCount{{RequestID: "r1", Attempt: 3, Count: 2}, {RequestID: "r2", Attempt: 1, Count: 1}}, s.Attempts)
	require.EqualValues(t, 4, s.Total().Completed)
}

func TestGRPCSpeaksWithStrangers(t *testing.T) {
	l := start(t, backend.Options{})
	for _, text := range []string{"", "x", strings.Repeat("long ", 10_000)} {
		out := new(wrapperspb.StringValue)
		require.NoError(t, l.grpc.Invoke(l.ctx, backend.EchoMethod, wrapperspb.String(text), out), "the usual codec")
		require.Equal(t, text, out.GetValue())
	}
	h := grpc_health_v1.NewHealthClient(l.grpc)
	for _, name := range []string{"", "squall.Echo"} {
		r, err := h.Check(l.ctx, &grpc_health_v1.HealthCheckRequest{Service: name})
		require.NoError(t, err)
		require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, r.GetStatus())
	}
	err := l.grpc.Invoke(l.ctx, "/squall.Echo/Nothing", wrapperspb.String(""), new(wrapperspb.StringValue))
	require.Equal(t, codes.Unimplemented, status.Code(err))
	require.Equal(t, map[string]int64{"grpc-0": 3, "grpc-12": 1}, l.state(backend.GRPC).Statuses)
}

// A circuit breaker's test in small: three held open, the fourth is seen to arrive, then they go one by one, in order.
func TestHeldRequestsGoOldestFirst(t *testing.T) {
	for _, port := range allPorts {
		t.Run(port, func(t *testing.T) {
			l := start(t, backend.Options{})
			require.NoError(t, l.Hold(l.ctx, backend.HoldSpec{Port: port}))
			var sent []<-chan answer
			for i := range 4 {
				sent = append(sent, l.background(l.ctx, port, fmt.Sprintf("/%d", i)))
				l.wait(backend.Condition{Port: port, Held: backend.Exactly(int64(i + 1))})
			}
			for i, c := range sent[:2] {
				n, err := l.Release(l.ctx, 1)
				require.NoError(t, err)
				require.Equal(t, 1, n)
				require.NoError(t, (<-c).err)
				p := l.state(port)
				require.EqualValues(t, i+1, p.Completed, "who has seen an answer finds it counted")
				require.EqualValues(t, 3-i, p.Held)
				require.EqualValues(t, 3-i, p.InFlight)
				require.EqualValues(t, 4, p.Arrived)
			}
			n, err := l.Release(l.ctx, -1)
			require.NoError(t, err)
			require.Equal(t, 2, n)
			require.NoError(t, (<-sent[2]).err)
			require.NoError(t, (<-sent[3]).err)
			require.NoError(t, l.any(l.ctx, port, "/5").err, "nothing is held any more")
			n, err = l.Release(l.ctx, 1)
			require.NoError(t, err)
			require.Zero(t, n)
		})
	}
}

func TestOnlyWhatMatchesIsHeld(t *testing.T) {
	l := start(t, backend.Options{})
	require.NoError(t, l.Hold(l.ctx, backend.HoldSpec{Port: backend.HTTP, PathPrefix: "/slow", Header: map[string]string{"x-user": "jason"}}))
	require.NoError(t, l.get(l.ctx, backend.HTTP, "/slow").err)
	require.NoError(t, l.get(l.ctx, backend.HTTP, "/fast", "X-User", "jason").err)
	require.NoError(t, l.get(l.ctx, backend.HTTP2, "/slow", "X-User", "jason").err)
	held := make(chan answer, 1)
	go func() { held <- l.get(l.ctx, backend.HTTP, "/slow/1", "X-User", "jason") }()
	l.wait(backend.Condition{Held: backend.Exactly(1)})
	_, err := l.Release(l.ctx, 1)
	require.NoError(t, err)
	require.NoError(t, (<-held).err)
}

func TestCallersThatLeave(t *testing.T) {
	for _, port := range allPorts {
		t.Run(port, func(t *testing.T) {
			l := start(t, backend.Options{})
			require.NoError(t, l.Hold(l.ctx, backend.HoldSpec{}))
			ctx, leave := context.WithCancel(l.ctx)
			a, b := l.background(ctx, port, "/a"), l.background(ctx, port, "/b")
			l.wait(backend.Condition{Port: port, Held: backend.Exactly(2)})
			leave()
			require.Error(t, (<-a).err)
			require.Error(t, (<-b).err)
			s := l.wait(backend.Condition{Port: port, Held: backend.Exactly(0), InFlight: backend.Exactly(0), Left: backend.Exactly(2)})
			require.Zero(t, s.Ports[port].Completed)
			n, err := l.Release(l.ctx, -1)
			require.NoError(t, err)
			require.Zero(t, n)
		})
	}
}

func TestScriptByAttempt(t *testing.T) {
	l := start(t, backend.Options{})
	require.NoError(t, l.Script(l.ctx, backend.Rule{
		Match:    backend.Match{PathPrefix: "/r"},
		Outcomes: []backend.Outcome{{Status: 503, Body: "no"}, {Status: 429, Header: map[string]string{"Retry-After": "1"}}, {}},
	}))
	statuses := func(send func(i int) answer) (got []int) {
		for i := range 4 {
			a := send(i)
			require.NoError(t, a.err)
			got = append(got, a.status)
		}
		return got
	}
	want := []int{503, 429, 200, 200}
	for _, port := range []string{backend.HTTP, backend.HTTP2} {
		require.Equal(t, want, statuses(func(int) answer { return l.get(l.ctx, port, "/r", "X-Request-Id", "id-"+port) }), "by arrivals of the id")
		require.Equal(t, want, statuses(func(i int) answer {
			return l.get(l.ctx, port, "/r", "X-Request-Id", "other-"+port, "X-Envoy-Attempt-Count", fmt.Sprint(i+1))
		}), "by Envoy's header")
	}
	require.Equal(t, []int{503, 503, 503, 503}, statuses(func(i int) answer {
		return l.get(l.ctx, backend.HTTP, "/r", "X-Request-Id", fmt.Sprint(i))
	}), "each id begins anew")
	require.Equal(t, want, statuses(func(int) answer { return l.get(l.ctx, backend.HTTP, "/r") }), "neither: in sequence")
	require.Equal(t, 200, l.get(l.ctx, backend.HTTP, "/else").status)

	require.NoError(t, l.Script(l.ctx, backend.Rule{Sequence: true, Outcomes: []backend.Outcome{{Status: 500}, {Status: 502}, {}}}))
	require.Equal(t, []int{500, 502, 200, 200}, statuses(func(i int) answer {
		return l.get(l.ctx, backend.HTTP, "/", "X-Request-Id", "s"+fmt.Sprint(i), "X-Envoy-Attempt-Count", "1")
	}), "whatever the attempt")

	require.NoError(t, l.Script(l.ctx,
		backend.Rule{Match: backend.Match{RequestID: "mine"}, Outcomes: []backend.Outcome{{Body: "ab", BodySize: 5}}},
		backend.Rule{Outcomes: []backend.Outcome{{BodySize: 3}}},
	))
	require.Equal(t, "ababa", l.get(l.ctx, backend.HTTP, "/", "X-Request-Id", "mine").body)
	require.Equal(t, "xxx", l.get(l.ctx, backend.HTTP2, "/", "X-Request-Id", "yours").body)
	require.NoError(t, l.Script(l.ctx))
	require.Equal(t, 200, l.get(l.ctx, backend.HTTP, "/").status)
}

func TestScriptOfGRPC(t *testing.T) {
	l := start(t, backend.Options{})
	require.NoError(t, l.Script(l.ctx, backend.Rule{
		Match: backend.Match{PathPrefix: "/squall.Echo/"},
		Outcomes: []backend.Outcome{
			{GRPCStatus: uint32(codes.Unavailable), Body: "not now, 100 %"},
			{Status: 503},
			{Body: "scripted", Header: map[string]string{"x-extra": "1"}},
		},
	}))
	ctx := metadata.AppendToOutgoingContext(l.ctx, "x-request-id", "g")
	_, err := l.echo(ctx, "a")
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Equal(t, "not now, 100 %", status.Convert(err).Message())
	_, err = l.echo(ctx, "b")
	require.Equal(t, codes.Unavailable, status.Code(err), "gRPC's reading of an HTTP 503")
	var head metadata.MD
	got, err := l.echo(ctx, "c", grpc.Header(&head))
	require.NoError(t, err)
	require.Equal(t, "scripted", got)
	require.Equal(t, []string{"1"}, head.Get("x-extra"))
	require.Equal(t, map[string]int64{"grpc-14": 1, "503": 1, "grpc-0": 1}, l.state(backend.GRPC).Statuses)
}

func TestEndsWithoutAnAnswer(t *testing.T) {
	for _, port := range allPorts {
		t.Run(port, func(t *testing.T) {
			l := start(t, backend.Options{})
			require.NoError(t, l.Script(l.ctx, backend.Rule{
				Sequence: true, Outcomes: []backend.Outcome{{End: backend.Reset}, {End: backend.Close}, {End: backend.Hang}, {Delay: time.Millisecond}},
			}))
			reset := l.any(l.ctx, port, "/").err
			require.Error(t, reset)
			closed := l.any(l.ctx, port, "/").err
			require.Error(t, closed)
			switch port {
			case backend.HTTP, backend.TCP:
				require.ErrorIs(t, reset, syscall.ECONNRESET)
				require.ErrorIs(t, closed, io.EOF)
			case backend.HTTP2:
				require.ErrorContains(t, closed, "INTERNAL_ERROR", "the stream alone")
				// The connection broken by the reset is gone, that of the closed stream is not.
				l.wait(backend.Condition{Port: port, ConnectionsOpen: backend.Exactly(1), ConnectionsOpened: backend.Exactly(2)})
			}
			ctx, leave := context.WithCancel(l.ctx)
			hung := l.background(ctx, port, "/")
			l.wait(backend.Condition{Port: port, InFlight: backend.Exactly(1), Held: backend.Exactly(0)})
			leave()
			require.Error(t, (<-hung).err)
			l.wait(backend.Condition{Port: port, Left: backend.Exactly(1), InFlight: backend.Exactly(0)})
			require.NoError(t, l.any(l.ctx, port, "/").err, "late, but answered")
			st := l.state(port).Statuses
			require.EqualValues(t, 1, st["reset"])
			require.EqualValues(t, 1, st["close"])
		})
	}
}

func TestResetUndoesEverything(t *testing.T) {
	for _, port := range allPorts {
		t.Run(port, func(t *testing.T) {
			l := start(t, backend.Options{})
			require.NoError(t, l.Hold(l.ctx, backend.HoldSpec{PathPrefix: "/held"}))
			require.NoError(t, l.Script(l.ctx,
				backend.Rule{Match: backend.Match{PathPrefix: "/late"}, Outcomes: []backend.Outcome{{Delay: time.Hour}}},
				backend.Rule{Match: backend.Match{PathPrefix: "/hang"}, Outcomes: []backend.Outcome{{End: backend.Hang}}},
				backend.Rule{Match: backend.Match{Port: backend.GRPC}, Outcomes: []backend.Outcome{{Delay: time.Hour}}},
			))
			late := l.background(l.ctx, port, "/late")
			hung := l.background(l.ctx, port, "/hang")
			l.wait(backend.Condition{Port: port, InFlight: backend.Exactly(2)})
			var held <-chan answer
			if port != backend.GRPC {
				held = l.background(l.ctx, port, "/held")
				l.wait(backend.Condition{Port: port, Held: backend.Exactly(1)})
			}
			require.NoError(t, l.Reset(l.ctx))
			require.NoError(t, (<-late).err)
			if port == backend.GRPC {
				require.NoError(t, (<-hung).err)
			} else {
				require.Error(t, (<-hung).err)
				require.NoError(t, (<-held).err)
			}
			l.wait(backend.Condition{InFlight: backend.Exactly(0)})
			require.NoError(t, l.Reset(l.ctx))
			s, err := l.State(l.ctx)
			require.NoError(t, err)
			require.Empty(t, s.Attempts)
			p := s.Ports[port]
			require.Zero(t, p.Arrived+p.Held+p.InFlight+p.Completed+p.Left)
			require.Empty(t, p.Statuses)
			require.NoError(t, l.any(l.ctx, port, "/late").err)
		})
	}
}

// A moment is enough for Wait: the condition is looked at in every state there is.
func TestWaitMissesNoMoment(t *testing.T) {
	l := start(t, backend.Options{})
	met := make(chan error, 1)
	waiting := make(chan struct{})
	go func() {
		close(waiting)
		_, err := l.Wait(l.ctx, backend.Condition{Port: backend.HTTP, InFlight: backend.Exactly(1), Arrived: backend.AtLeast(1)})
		met <- err
	}()
	<-waiting
	for done := false; !done; { // until the wait is on, and then once more
		require.NoError(t, l.get(l.ctx, backend.HTTP, "/").err)
		select {
		case err := <-met:
			require.NoError(t, err)
			done = true
		default:
		}
	}
	ctx, cancel := context.WithCancel(l.ctx)
	cancel()
	_, err := l.Wait(ctx, backend.Condition{Port: backend.TCP, Held: backend.AtLeast(3), Left: backend.AtMost(0)})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "tcp: held >= 3, left <= 0")
}

func TestCountsAreExactUnderConcurrency(t *testing.T) {
	l := start(t, backend.Options{})
	const each = 50
	require.NoError(t, l.Hold(l.ctx, backend.HoldSpec{}))
	require.NoError(t, l.Script(l.ctx, backend.Rule{
		Sequence: true, Match: backend.Match{Port: backend.HTTP},
		Outcomes: []backend.Outcome{{Status: 500}, {Status: 501}, {Status: 502}, {}},
	}))
	var wg sync.WaitGroup
	errs := make(chan error, each*len(allPorts))
	for _, port := range allPorts {
		for i := range each {
			wg.Go(func() { errs <- l.any(l.ctx, port, fmt.Sprint("/", i)).err })
		}
	}
	s := l.wait(backend.Condition{Held: backend.Exactly(each * 4)})
	require.EqualValues(t, 1, s.Ports[backend.GRPC].ConnectionsOpen, "one connection holds them all")
	for n := range 40 {
		k, err := l.Release(l.ctx, 3)
		require.NoError(t, err)
		require.Equal(t, 3, k)
		l.wait(backend.Condition{Held: backend.Exactly(int64(4*each - 3*n - 3))})
	}
	_, err := l.Release(l.ctx, -1)
	require.NoError(t, err)
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	st, err := l.State(l.ctx)
	require.NoError(t, err)
	for _, port := range allPorts {
		p := st.Ports[port]
		require.EqualValues(t, each, p.Arrived)
		require.EqualValues(t, each, p.Completed)
		require.Zero(t, p.InFlight+p.Held+p.Left)
	}
	require.Equal(t, map[string]int64{"500": 1, "501": 1, "502": 1, "200": each - 3}, st.Ports[backend.HTTP].Statuses)
}

func TestAttemptsAreBounded(t *testing.T) {
	l := start(t, backend.Options{MaxRequestIDs: 2})
	for _, id := range []string{"a", "b", "c", "a", "c"} {
		require.NoError(t, l.get(l.ctx, backend.HTTP, "/", "X-Request-Id", id).err)
	}
	s, err := l.State(l.ctx)
	require.NoError(t, err)
	require.Equal(t, []backend.AttemptCount{{"a", 1, 1}, {"b", 1, 1}}, s.Attempts)
	require.EqualValues(t, 3, s.Omitted)
}

func TestMistakesAreAllNamedAndChangeNothing(t *testing.T) {
	l := start(t, backend.Options{})
	require.NoError(t, l.Script(l.ctx, backend.Rule{Outcomes: []backend.Outcome{{Status: 418}}}))
	err := l.Script(l.ctx,
		backend.Rule{Match: backend.Match{Port: "udp"}, Outcomes: []backend.Outcome{{Status: 42}, {End: "explode", Delay: -1}}},
		backend.Rule{}, backend.Rule{Outcomes: []backend.Outcome{{GRPCStatus: 17, BodySize: -1}}},
	)
	for _, want := range []string{`no port "udp"`, "rule 1, outcome 1: status 42", `end "explode"`, "is negative", "rule 2: no outcomes", "gRPC status 17", "body size -1"} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, 418, l.get(l.ctx, backend.HTTP, "/").status)
	require.ErrorContains(t, l.Hold(l.ctx, backend.HoldSpec{Port: "udp"}), "no port")
	_, err = l.Wait(l.ctx, backend.Condition{Port: "udp"})
	require.ErrorContains(t, err, "no port")
}

func TestControlSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	o := backend.Options{Host: "127.0.0.1", Ports: map[string]int{"http": 0, "http2": 0, "grpc": 0, "tcp": 0}, Control: path}
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	require.NoError(t, err)
	stale.SetUnlinkOnClose(false)

	served := make(chan struct{})
	go func() {
		defer close(served)
		if c, err := stale.Accept(); err == nil {
			_ = c.Close()
		}
	}()
	_, err = backend.Listen(t.Context(), o)
	require.ErrorContains(t, err, "another backend serves")
	<-served
	require.NoError(t, stale.Close()) // as a killed backend leaves it

	s, err := backend.Listen(t.Context(), o)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.Run(ctx))
	_, err = os.Stat(path)
	require.ErrorIs(t, err, os.ErrNotExist, "nothing is left")

	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = backend.Listen(t.Context(), o)
	require.ErrorContains(t, err, "is no socket")
}

func TestStoppingEndsWhatIsHeldOrHangs(t *testing.T) {
	for _, port := range allPorts {
		t.Run(port, func(t *testing.T) {
			l := start(t, backend.Options{})
			require.NoError(t, l.Hold(l.ctx, backend.HoldSpec{}))
			held := l.background(l.ctx, port, "/")
			waited := make(chan error, 1)
			l.wait(backend.Condition{Held: backend.Exactly(1)})
			go func() {
				_, err := l.Wait(l.ctx, backend.Condition{Held: backend.AtLeast(2)})
				waited <- err
			}()
			l.stop()
			require.Error(t, (<-held).err)
			require.Error(t, <-waited)
		})
	}
}

func TestParseListen(t *testing.T) {
	host, ports, err := backend.ParseListen("127.0.0.2,http=0,grpc=18082")
	require.NoError(t, err)
	require.Equal(t, "127.0.0.2", host)
	require.Equal(t, map[string]int{"http": 0, "grpc": 18082}, ports)
	for _, bad := range []string{"", ",http=1", "127.0.0.1,udp=1", "127.0.0.1,http", "127.0.0.1,http=x", "127.0.0.1,http=70000"} {
		_, _, err := backend.ParseListen(bad)
		require.Error(t, err, bad)
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	l := start(t, backend.Options{})
	_, port, err := net.SplitHostPort(l.addrs[backend.GRPC])
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	_, err = backend.Listen(t.Context(), backend.Options{Host: "127.0.0.1", Ports: map[string]int{"http": 0, "http2": 0, "grpc": n, "tcp": 0}})
	require.ErrorContains(t, err, "port grpc")
	require.True(t, errors.Is(err, syscall.EADDRINUSE))
}
