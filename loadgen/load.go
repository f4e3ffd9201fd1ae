package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/squallmesh/squall/loadgen/pace"
)

// DefaultTimeout is how long a request may take, from when it is sent to the last byte of its answer.
const DefaultTimeout = 30 * time.Second

// Load is one stream of requests.
type Load struct {
	// Name of the load, unique in a run. Required.
	Name string
	// Seed of all that is random about it, ids included.
	Seed uint64
	// Pacer says when requests are due. Required.
	Pacer pace.Pacer
	// Duration of the schedule: requests due before it are sent. Required: greater than 0.
	Duration time.Duration
	// Requests says what is sent. Required.
	Requests Requests
	// Extract is what to keep of an answer as Result.Value. Zero: nothing.
	Extract Extract
	// Headers names response headers to keep in Result.Header.
	Headers []string
	// Timeout of a request, connecting included. 0: DefaultTimeout.
	Timeout time.Duration
	// MaxWorkers bounds the requests in flight; more than that are sent late, and the Summary says so. 0: no bound.
	MaxWorkers int
	// Connections bounds the connections open at once; requests wait for one, and the wait counts as service time.
	// 0: no bound (HTTP/1), one connection (HTTP2).
	Connections int
	// NoKeepAlive gives each request a connection of its own.
	NoKeepAlive bool
	// HTTP2 speaks HTTP/2 without TLS, by prior knowledge.
	HTTP2 bool
	// GRPC makes each request a unary call, over HTTP/2: the URL's path is the method, /package.Service/Method, and the Body is field 1 of the
	// message, a string, as in google.protobuf.StringValue and grpc.health.v1.HealthCheckRequest. A status other than 0 is an error, and
	// Result.Value is that status unless Extract keeps something else.
	GRPC bool
	// TLS is how https URLs are called: which authorities are trusted, what certificate is shown. Required with them. GRPC and HTTP2 have none.
	TLS *tls.Config
	// Undecided sends the ids of a trace and not that it is to be recorded: the mesh itself decides, as for a user's browser.
	Undecided bool
	// Dial makes connections, for instance from within another network namespace; the caller answers for where they lead.
	// nil: the system's, restricted to 127.0.0.0/8, ::1 and 198.18.0.0/15.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Login is done once, before the start. nil: none.
	Login *Login
	// Tolerance of lateness, beyond which the machine counts as too slow. Zero fields have defaults.
	Tolerance Tolerance
}

// Request is what one request looks like. Its fields are not changed by this package.
type Request struct {
	// Method, GET if empty.
	Method string
	// URL, with scheme and host. Required. tcp://host:port makes a connection of its own over plain TCP, sends the Body, and reads
	// the answer to its end; it has no other field.
	URL string
	// Host header, if it is not the URL's host.
	Host string
	// Header, to which ids are added.
	Header http.Header
	// Body, or none.
	Body []byte
}

// Requests is a pure function of the number of a request, from 0, and of a random stream of that request's own, which the
// load's seed and name decide. It is called by several goroutines at once.
type Requests func(n uint64, random *rand.Rand) Request

// Same sends the same request each time.
func Same(r Request) Requests {
	return func(uint64, *rand.Rand) Request { return r }
}

// Get sends GET requests of one URL.
func Get(url string) Requests { return Same(Request{URL: url}) }

// Extract is what to keep of an answer.
type Extract struct {
	// Body is searched for in the body: its first group is kept, or the whole match if it has none.
	Body *regexp.Regexp
	// Header of the answer to keep, if Body is nil.
	Header string
	// Certificate keeps the server's, if Body is nil and Header is empty: its common name, or its serial number in hexadecimal digits.
	Certificate Certificate
}

// Certificate is what to keep of a server's certificate.
type Certificate string

// What there is to keep.
const (
	CertificateName   Certificate = "name"
	CertificateSerial Certificate = "serial"
)

func (c Certificate) of(state *tls.ConnectionState) string {
	if state == nil || len(state.PeerCertificates) == 0 {
		return ""
	}
	switch leaf := state.PeerCertificates[0]; c {
	case CertificateName:
		return leaf.Subject.CommonName
	case CertificateSerial:
		return leaf.SerialNumber.Text(16)
	}
	return ""
}

// Login is a form posted once before the start, whose cookies are sent with every request.
type Login struct {
	// Path relative to the URL of request 0: "/login".
	Path string
	// Form to post.
	Form url.Values
}

// Tolerance is how late requests may be sent.
type Tolerance struct {
	// Late is the lag, from when a request is due to when it is sent, that counts as late. 0: 50 ms.
	Late time.Duration
	// Share of the requests sent that may be late, from 0 to 1. 0: 0.01. Negative: none.
	Share float64
}

// Defaults of Tolerance.
const (
	DefaultLate      = 50 * time.Millisecond
	DefaultLateShare = 0.01
)

func (t Tolerance) withDefaults() Tolerance {
	if t.Late == 0 {
		t.Late = DefaultLate
	}
	if t.Share == 0 {
		t.Share = DefaultLateShare
	}
	t.Share = max(t.Share, 0)
	return t
}

func (l *Load) timeout() time.Duration {
	if l.Timeout == 0 {
		return DefaultTimeout
	}
	return l.Timeout
}

// Check returns all that is wrong with a load.
func (l *Load) Check() error {
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("load %q: %w", l.Name, fmt.Errorf(format, args...)))
	}
	if l.Name == "" {
		wrong("it has no name")
	}
	if l.Pacer == nil {
		wrong("it has no pacer")
	}
	if l.Duration <= 0 {
		wrong("its duration is %s, it must be greater than 0", l.Duration)
	}
	if l.Timeout < 0 || l.MaxWorkers < 0 || l.Connections < 0 || l.Tolerance.Late < 0 {
		wrong("timeout, workers, connections and lateness cannot be negative")
	}
	if l.Requests == nil {
		wrong("it has no requests")
		return errors.Join(errs...)
	}
	first := l.Requests(0, l.random(0))
	if _, ok := first.tcp(); ok {
		return errors.Join(errs...)
	}
	req, err := first.build()
	switch {
	case err != nil:
		wrong("its first request: %w", err)
	case (req.URL.Scheme == "https") != (l.TLS != nil):
		wrong("https and TLS go together")
	case l.TLS != nil && (l.HTTP2 || l.GRPC):
		wrong("TLS is spoken with HTTP/1.1 alone")
	}
	return errors.Join(errs...)
}

func (l *Load) random(n uint64) *rand.Rand {
	return pace.Stream(l.Seed, fmt.Sprintf("request/%s/%d", l.Name, n))
}

// checkAll returns all that is wrong with loads.
func checkAll(loads []Load) error {
	var errs []error
	names := map[string]bool{}
	for i := range loads {
		errs = append(errs, loads[i].Check())
		if names[loads[i].Name] {
			errs = append(errs, fmt.Errorf("load %q: there are two of that name", loads[i].Name))
		}
		names[loads[i].Name] = true
	}
	return errors.Join(errs...)
}
