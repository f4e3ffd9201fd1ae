package loadgen_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/loadgen/pace"
)

func readers(url string, n int) loadgen.Load {
	return loadgen.Load{
		Name: "readers", Seed: 1, Pacer: pace.NewConstant(pace.PerSecond(uint64(n) * 10)), Duration: 100 * time.Millisecond,
		Requests: loadgen.Get(url), Timeout: 10 * time.Second,
	}
}

func TestRun(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2 %t", http2), func(t *testing.T) {
			var mu sync.Mutex
			got := map[string]*http.Request{}
			bodies := map[string]string{}
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				mu.Lock()
				defer mu.Unlock()
				got[r.Header.Get("X-Request-Id")] = r
				bodies[r.Header.Get("X-Request-Id")] = string(body)
				w.Header().Set("Served-By", "reviews-v2")
				w.WriteHeader(http.StatusAccepted)
				fmt.Fprintf(w, "You asked for %s.", r.URL.Path)
			})
			load := readers(url, 50)
			load.HTTP2, load.Connections = http2, 3
			load.Requests = func(n uint64, random *rand.Rand) loadgen.Request {
				return loadgen.Request{
					Method: http.MethodPost, URL: fmt.Sprintf("%s/%d/%d", url, n, random.IntN(1000)), Host: "bookinfo.test",
					Header: http.Header{"end-user": {"jason"}}, Body: fmt.Appendf(nil, "body %d", n),
				}
			}
			load.Extract.Body = regexp.MustCompile(`asked for (.*)\.`)
			load.Headers = []string{"served-by", "absent"}
			start := time.Now()
			all, summaries := run(t, load)

			require.Len(t, all, 50)
			require.Len(t, got, 50)
			require.Len(t, summaries, 1)
			s := summaries[0]
			require.Equal(t, []any{"readers", uint64(50), uint64(50), uint64(50)}, []any{s.Name, s.Offered, s.Sent, s.Completed})
			seen := map[uint64]bool{}
			for _, r := range all {
				require.Empty(t, r.Err)
				require.Equal(t, http.StatusAccepted, r.Status)
				require.False(t, seen[r.Seq])
				seen[r.Seq] = true
				ids := loadgen.MakeIDs(1, "readers", r.Seq, true)
				require.Equal(t, ids, loadgen.IDs{Request: r.RequestID, Trace: r.TraceID})
				req := got[r.RequestID]
				require.NotNil(t, req)
				require.Equal(t, req.URL.Path, r.Value)
				require.Equal(t, int64(len("You asked for ."+r.Value)), r.Bytes)
				require.Equal(t, fmt.Sprintf("body %d", r.Seq), bodies[r.RequestID])
				require.Equal(t, "bookinfo.test", req.Host)
				require.Equal(t, map[string]string{"served-by": "reviews-v2"}, r.Header)
				require.Equal(t, r.TraceID, req.Header.Get("X-B3-Traceid"))
				require.Equal(t, r.TraceID[16:], req.Header.Get("X-B3-Spanid"))
				require.Equal(t, "1", req.Header.Get("X-B3-Sampled"))
				require.Equal(t, "00-"+r.TraceID+"-"+r.TraceID[16:]+"-01", req.Header.Get("Traceparent"))
				require.Equal(t, "jason", req.Header.Get("End-User"))
				require.Empty(t, req.Header.Get("X-Vegeta-Seq"))
				require.False(t, r.Sent.Before(r.Scheduled))
				require.GreaterOrEqual(t, r.Latency(), r.ServiceTime())
				require.WithinDuration(t, start.Add(time.Duration(r.Seq)*2*time.Millisecond), r.Scheduled, 50*time.Millisecond)
			}
			again, _ := run(t, load)
			paths := map[uint64]string{}
			for _, r := range again {
				paths[r.Seq] = r.Value
			}
			for _, r := range all {
				require.Equal(t, paths[r.Seq], r.Value, "what is sent depends on the seed alone")
			}
		})
	}
}

func TestSeveralLoadsOnOneTimeBase(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	a, b := readers(url, 10), readers(url, 5)
	b.Name, b.Undecided, b.NoKeepAlive = "writers", true, true
	all, summaries := run(t, a, b)
	require.Equal(t, "readers", summaries[0].Name)
	require.Equal(t, "writers", summaries[1].Name)
	require.Equal(t, uint64(10), summaries[0].Completed)
	require.Equal(t, uint64(5), summaries[1].Completed)
	first := map[string]time.Time{}
	for _, r := range all {
		if r.Seq == 0 {
			first[r.Load] = r.Scheduled
		}
	}
	require.Equal(t, first["readers"], first["writers"])
}

// Whether requests are traced is left to the mesh; that they belong together is not.
func TestUndecided(t *testing.T) {
	header := make(chan http.Header, 1)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { header <- r.Header })
	load := readers(url, 1)
	load.Undecided = true
	all, _ := run(t, load)
	h := <-header
	require.Equal(t, all[0].RequestID, h.Get("X-Request-Id"))
	require.Equal(t, byte('4'), all[0].RequestID[14])
	require.Equal(t, all[0].TraceID, h.Get("X-B3-Traceid"))
	require.Empty(t, h.Get("X-B3-Sampled"))
	require.Empty(t, h.Get("Traceparent"))
}

func TestFailures(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		loadgen.ErrTimeout: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		loadgen.ErrReset: func(w http.ResponseWriter, _ *http.Request) {
			panic(http.ErrAbortHandler)
		},
	}
	for want, handler := range handlers {
		for _, http2 := range []bool{false, true} {
			load := readers(serve(t, handler), 3)
			load.HTTP2 = http2
			load.Timeout = 50 * time.Millisecond
			if want != loadgen.ErrTimeout {
				load.Timeout = 10 * time.Second
			}
			all, summaries := run(t, load)
			require.Len(t, all, 3)
			for _, r := range all {
				require.Equal(t, want, r.Err)
				require.Zero(t, r.Status)
			}
			require.Zero(t, summaries[0].Completed)
			require.Equal(t, uint64(3), summaries[0].Sent)
		}
	}
}

func TestBodyCutOff(t *testing.T) {
	load := readers(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("half"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}), 1)
	all, _ := run(t, load)
	require.Equal(t, loadgen.ErrReset, all[0].Err)
	require.Equal(t, http.StatusOK, all[0].Status)
	require.Equal(t, int64(4), all[0].Bytes)
}

func TestRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	all, _ := run(t, readers("http://"+l.Addr().String(), 2))
	for _, r := range all {
		require.Equal(t, loadgen.ErrRefused, r.Err)
	}
}

// The standard library would send a GET again when a kept connection turns out to be closed. Each request is sent once.
func TestNeverSentTwice(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var requests atomic.Int64
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer c.Close() //nolint:errcheck // the test is over
				buffer := make([]byte, 4096)
				for answer := range 2 {
					if _, err := c.Read(buffer); err != nil {
						return
					}
					requests.Add(1)
					if answer == 0 { // the second request on a connection is read and not answered
						_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				}
			})
		}
	})
	t.Cleanup(served.Wait)
	t.Cleanup(func() { _ = l.Close() })

	load := readers("http://"+l.Addr().String(), 10)
	load.Connections = 1
	all, _ := run(t, load)
	require.Len(t, all, 10)
	outcomes := map[string]int{}
	for _, r := range all {
		outcomes[r.Err]++
	}
	require.Equal(t, map[string]int{"": 5, loadgen.ErrReset: 5}, outcomes)
	require.Equal(t, int64(10), requests.Load())
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel(why)
		<-r.Context().Done()
	})
	load := readers(url, 1)
	load.Duration = time.Hour
	var got results
	summaries, err := loadgen.Run(ctx, time.Now(), []loadgen.Load{load}, got.add)
	require.ErrorIs(t, err, why)
	require.Equal(t, loadgen.ErrCanceled, got.all[0].Err)
	require.True(t, summaries[0].Behind)
	require.Regexp(t, `^load readers: \d+ of 36000 requests were never sent`, summaries[0].Reason)
}

func TestLogin(t *testing.T) {
	var cookies atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			if r.FormValue("username") == "jason" {
				http.SetCookie(w, &http.Cookie{Name: "session", Value: "jason"})
			}
			http.Redirect(w, r, "/productpage", http.StatusFound)
			return
		}
		if c, err := r.Cookie("session"); err == nil && c.Value == "jason" {
			cookies.Add(1)
		}
	})
	load := readers(url+"/productpage", 5)
	load.Login = &loadgen.Login{Path: "/login", Form: map[string][]string{"username": {"jason"}}}
	sometime := time.Now().Add(100 * time.Millisecond)
	_, err := loadgen.Run(within(t, 10*time.Second), sometime, []loadgen.Load{load}, nil)
	require.NoError(t, err)
	require.Equal(t, int64(5), cookies.Load())

	load.Login.Form = nil
	_, err = loadgen.Run(within(t, 10*time.Second), sometime, []loadgen.Load{load}, nil)
	require.EqualError(t, err, `load "readers": login: POST `+url+`/login was answered with 302 Found and without a cookie`)

	load.Login.Form = map[string][]string{"username": {"jason"}}
	_, err = loadgen.Run(within(t, 10*time.Second), time.Now().Add(-time.Minute), []loadgen.Load{load}, nil)
	require.ErrorContains(t, err, "after the start of the load")
}

// With one worker and a service that is slower than the rate the machine is not to blame, and yet the rate is not offered.
func TestBehind(t *testing.T) {
	hold := make(chan struct{})
	var once sync.Once
	url := serve(t, func(http.ResponseWriter, *http.Request) {
		once.Do(func() { <-hold })
	})
	load := readers(url, 20)
	load.MaxWorkers = 1
	load.Tolerance.Late = 10 * time.Millisecond
	timer := time.AfterFunc(150*time.Millisecond, func() { close(hold) })
	defer timer.Stop()
	all, summaries := run(t, load)
	require.Len(t, all, 20)
	s := summaries[0]
	require.True(t, s.Behind)
	require.Regexp(t, `^load readers: 9\d\.\d % of 20 requests were sent more than 10ms late, the worst by 1\d\dms: this machine could not offer 200/s$`, s.Reason)
	require.GreaterOrEqual(t, s.MaxLag, 100*time.Millisecond)

	load.Tolerance = loadgen.Tolerance{Late: 10 * time.Second}
	_, summaries = run(t, load)
	require.False(t, summaries[0].Behind)
	require.Empty(t, summaries[0].Reason)
}

func TestLoadStaysInTheLaboratory(t *testing.T) {
	all, _ := run(t, readers("http://192.0.2.1:80", 1))
	require.Contains(t, all[0].Err, "load is not sent to 192.0.2.1:80: it is neither a loopback address nor in 198.18.0.0/15")
}

func TestDial(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	load := readers("http://productpage:9080", 1)
	load.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		require.Equal(t, "productpage:9080", address)
		return new(net.Dialer).DialContext(ctx, network, url[len("http://"):])
	}
	all, _ := run(t, load)
	require.Equal(t, http.StatusOK, all[0].Status)
}

func TestCheck(t *testing.T) {
	good := readers("http://127.0.0.1:1", 1)
	for want, change := range map[string]func(*loadgen.Load){
		`load "": it has no name`:                                             func(l *loadgen.Load) { l.Name = "" },
		`load "readers": it has no pacer`:                                     func(l *loadgen.Load) { l.Pacer = nil },
		`load "readers": its duration is 0s, it must be greater than 0`:       func(l *loadgen.Load) { l.Duration = 0 },
		`load "readers": it has no requests`:                                  func(l *loadgen.Load) { l.Requests = nil },
		`timeout, workers, connections and lateness cannot be negative`:       func(l *loadgen.Load) { l.Timeout = -1 },
		`its first request: the URL "ftp://x/" is not http://host/path`:       func(l *loadgen.Load) { l.Requests = loadgen.Get("ftp://x/") },
		`its first request: the header Traceparent is set for each request`:   func(l *loadgen.Load) { l.Requests = withHeader("traceparent") },
		`its first request: the header Host is set by the field of that name`: func(l *loadgen.Load) { l.Requests = withHeader("host") },
	} {
		load := good
		change(&load)
		_, err := loadgen.Run(t.Context(), time.Now(), []loadgen.Load{load}, nil)
		require.ErrorContains(t, err, want)
	}
	_, err := loadgen.Run(t.Context(), time.Now(), []loadgen.Load{good, good}, nil)
	require.EqualError(t, err, `load "readers": there are two of that name`)
}

func withHeader(name string) loadgen.Requests {
	return loadgen.Same(loadgen.Request{URL: "http://127.0.0.1", Header: http.Header{name: {"x"}}})
}

func TestIDs(t *testing.T) {
	ids := loadgen.MakeIDs(1, "readers", 0, true)
	require.Equal(t, ids, loadgen.MakeIDs(1, "readers", 0, true))
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-9[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, ids.Request)
	require.Regexp(t, `^[0-9a-f]{32}$`, ids.Trace)
	require.Equal(t, ids.Trace[16:], ids.Span())
	for _, other := range []loadgen.IDs{
		loadgen.MakeIDs(2, "readers", 0, true), loadgen.MakeIDs(1, "writers", 0, true), loadgen.MakeIDs(1, "readers", 1, true),
	} {
		require.NotEqual(t, ids.Request, other.Request)
		require.NotEqual(t, ids.Trace, other.Trace)
	}
}

func TestQuantile(t *testing.T) {
	ten := make([]time.Duration, 10)
	for i := range ten {
		ten[i] = time.Duration(i + 1)
	}
	for q, want := range map[float64]time.Duration{-1: 1, 0: 1, 0.1: 1, 0.11: 2, 0.5: 5, 0.9: 9, 0.91: 10, 0.99: 10, 1: 10, 2: 10} {
		require.Equal(t, want, loadgen.Quantile(ten, q), q)
	}
	require.Zero(t, loadgen.Quantile(nil, 0.5))
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for i := 1; i <= 100; i++ {
		require.Equal(t, time.Duration(i), loadgen.Quantile(hundred, float64(i)/100))
	}
	require.Equal(t, []time.Duration{1, 2}, loadgen.Sorted([]time.Duration{2, 1}))
}

func TestExhausted(t *testing.T) {
	load := readers("http://127.0.0.1:1", 2)
	load.Dial = func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}
	all, summaries := run(t, load)
	require.Equal(t, loadgen.ErrExhausted, all[0].Err)
	require.True(t, summaries[0].Behind)
	require.Contains(t, summaries[0].Reason, "for 2 of 2 requests this machine had no file descriptor or port left")
}
