package envoy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// adminTimeout bounds each call whose context has no earlier deadline. A config_dump of thousands of clusters takes a second.
const adminTimeout = 30 * time.Second

// maxAdminAnswer bounds an answer, in bytes.
const maxAdminAnswer = 1 << 30

// Admin is a client of an Envoy's admin interface. Each call has a connection of its own, so that nothing has to be closed.
// Its methods may be called from several goroutines and return when ctx ends.
type Admin struct {
	address atomic.Pointer[string]
	through func(ctx context.Context, network, address string) (net.Conn, error)
	client  *http.Client
}

// NewAdmin returns a client for "unix:///path" or "host:port".
func NewAdmin(address string) *Admin { return NewAdminThrough(nil, address) }

// NewAdminThrough is NewAdmin with another way to connect, for Envoys elsewhere; nil is the usual one.
func NewAdminThrough(connect func(ctx context.Context, network, address string) (net.Conn, error), address string) *Admin {
	if connect == nil {
		connect = new(net.Dialer).DialContext
	}
	a := &Admin{through: connect}
	a.setAddress(address)
	a.client = &http.Client{
		Timeout:   adminTimeout,
		Transport: &http.Transport{DialContext: a.dial, DisableKeepAlives: true},
	}
	return a
}

// Address is where the client connects to; empty while Envoy has not told its port.
func (a *Admin) Address() string { return *a.address.Load() }

func (a *Admin) setAddress(s string) { a.address.Store(&s) }

func (a *Admin) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	at := a.Address()
	if path, ok := strings.CutPrefix(at, unixScheme); ok {
		return a.through(ctx, "unix", path)
	}
	if at == "" {
		return nil, errors.New("its port is not known yet: wait until Envoy is ready")
	}
	return a.through(ctx, "tcp", at)
}

// StatusError is an answer of the admin interface that is not 200.
type StatusError struct {
	Path string
	Code int
	Body string // its beginning
}

// Error returns what was asked and answered.
func (e *StatusError) Error() string {
	return fmt.Sprintf("Envoy's admin interface answers %s with status %d: %s", e.Path, e.Code, e.Body)
}

// Get returns what path (with its query) answers, for what has no method of its own here. Any status but 200 is a
// [StatusError].
func (a *Admin) Get(ctx context.Context, path string) ([]byte, error) {
	return a.do(ctx, http.MethodGet, path)
}

// Post is Get for what changes something.
func (a *Admin) Post(ctx context.Context, path string) ([]byte, error) {
	return a.do(ctx, http.MethodPost, path)
}

func (a *Admin) do(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://admin"+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy's admin interface: %w", err)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask Envoy's admin interface at %s: %w", a.Address(), err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAdminAnswer))
	if err != nil {
		return nil, fmt.Errorf("read %s from Envoy's admin interface at %s: %w", path, a.Address(), err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &StatusError{Path: path, Code: resp.StatusCode, Body: strings.TrimSpace(string(body[:min(len(body), 500)]))}
	}
	return body, nil
}

func (a *Admin) proto(ctx context.Context, path string, into proto.Message) error {
	body, err := a.Get(ctx, path)
	if err != nil {
		return err
	}
	return decode(path, body, into)
}

func decode(path string, body []byte, into proto.Message) error {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, into); err != nil {
		return fmt.Errorf("read Envoy's answer to %s: %w", path, err)
	}
	return nil
}

// query appends key=value pairs, escaped, to path.
func query(path string, pairs ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// Ready returns nil if Envoy is LIVE, else an error with its state.
func (a *Admin) Ready(ctx context.Context) error {
	_, err := a.Get(ctx, "/ready")
	return err
}

// ServerInfo returns version, state, uptime, flags and node.
func (a *Admin) ServerInfo(ctx context.Context) (*adminv3.ServerInfo, error) {
	var info adminv3.ServerInfo
	if err := a.proto(ctx, "/server_info", &info); err != nil {
		return nil, err
	}
	return &info, nil
}

// Workers returns the number of worker threads.
func (a *Admin) Workers(ctx context.Context) (uint64, error) {
	info, err := a.ServerInfo(ctx)
	return uint64(max(1, info.GetCommandLineOptions().GetConcurrency())), err
}

// Clusters returns all clusters with their hosts: address, health flags, weight, locality, statistics.
func (a *Admin) Clusters(ctx context.Context) (*adminv3.Clusters, error) {
	var clusters adminv3.Clusters
	if err := a.proto(ctx, "/clusters?format=json", &clusters); err != nil {
		return nil, err
	}
	return &clusters, nil
}

// Listeners returns all listeners with their addresses, also of ports that the kernel chose.
func (a *Admin) Listeners(ctx context.Context) (*adminv3.Listeners, error) {
	var listeners adminv3.Listeners
	if err := a.proto(ctx, "/listeners?format=json", &listeners); err != nil {
		return nil, err
	}
	return &listeners, nil
}

// Certs returns the certificates in use.
func (a *Admin) Certs(ctx context.Context) (*adminv3.Certificates, error) {
	var certs adminv3.Certificates
	if err := a.proto(ctx, "/certs", &certs); err != nil {
		return nil, err
	}
	return &certs, nil
}

// ConfigDumpOptions select from a config dump. The zero value selects all but endpoints.
type ConfigDumpOptions struct {
	Resource  string // a field of one section, for instance "dynamic_listeners"; empty means all sections
	NameRegex string // resources whose whole name matches (RE2); empty means all
	Endpoints bool   // with endpoints
}

func (o ConfigDumpOptions) path() string {
	var pairs []string
	if o.Resource != "" {
		pairs = append(pairs, "resource", o.Resource)
	}
	if o.NameRegex != "" {
		pairs = append(pairs, "name_regex", o.NameRegex)
	}
	path := query("/config_dump", pairs...)
	switch {
	case !o.Endpoints:
		return path
	case len(pairs) > 0:
		return path + "&include_eds"
	default:
		return path + "?include_eds"
	}
}

// ConfigDump returns the config in force, typed and as the JSON that Envoy sent. If it holds a type that this program does
// not know, the typed one is nil, err says so, and the JSON is there even so.
func (a *Admin) ConfigDump(ctx context.Context, opts ConfigDumpOptions) (typed *adminv3.ConfigDump, raw []byte, err error) {
	raw, err = a.Get(ctx, opts.path())
	if err != nil {
		return nil, nil, err
	}
	typed = &adminv3.ConfigDump{}
	if err := decode("/config_dump", raw, typed); err != nil {
		return nil, raw, err
	}
	return typed, raw, nil
}

// Prometheus returns all statistics in Prometheus's text format. Histograms are as of the last flush
// (BootstrapOptions.StatsFlushInterval).
func (a *Admin) Prometheus(ctx context.Context) ([]byte, error) {
	return a.Get(ctx, "/stats/prometheus")
}

// DrainListeners has all listeners end their connections over the drain time (gracefully), or closes them at once.
func (a *Admin) DrainListeners(ctx context.Context, gracefully bool) error {
	path := "/drain_listeners"
	if gracefully {
		path += "?graceful"
	}
	_, err := a.Post(ctx, path)
	return err
}

// ResetCounters sets all counters to 0; gauges and histograms stay. For exact checks read a counter twice instead: others
// may be reading too.
func (a *Admin) ResetCounters(ctx context.Context) error {
	_, err := a.Post(ctx, "/reset_counters")
	return err
}

// LogLevel sets the level of all loggers, or of those given by name: {"router": "debug"}.
func (a *Admin) LogLevel(ctx context.Context, level string, loggers map[string]string) error {
	if level != "" {
		if _, err := a.Post(ctx, query("/logging", "level", level)); err != nil {
			return err
		}
	}
	for name, level := range loggers {
		if _, err := a.Post(ctx, query("/logging", name, level)); err != nil {
			return err
		}
	}
	return nil
}
