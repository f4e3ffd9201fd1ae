package bookinfo

import (
	"cmp"
	"io"
	"log/slog"
	"net/http"
	"time"
)

// Options configures one service. The zero value of every field but Listen is usable.
type Options struct {
	// Listen is the address to serve on, host:port. An empty host means every address of the machine, which is right in
	// a container of its own only. Port 0 lets the kernel choose; [Server.Addrs] tells. Required.
	//
	// The backend takes a host alone, optionally followed by named ports that replace its defaults, as in
	// "127.0.0.2" or "127.0.0.2,http=0,grpc=18082"; the host "*" means every address. See [backend.ParseListen].
	Listen string
	// Control is the path of the backend's control socket; no other role has one. Empty: no control.
	Control string
	// Env looks up an environment variable and returns "" when it is not set. Nil: an empty environment.
	Env func(string) string
	// Log receives one line per failed call. Nil: discarded.
	Log io.Writer
	// Timeouts are the times that shape the app's behaviour. Zero fields have the defaults of the reference app.
	Timeouts Timeouts
	// Grace is how long requests in flight may take to finish once the context is cancelled. Zero: 2 s.
	Grace time.Duration
	// Seed seeds the draws of ratings v-faulty and v-delayed; the same seed gives the same sequence of answers.
	Seed uint64
	// Call makes the calls of the service; nil makes them over HTTP.
	Call Caller
	// Now is the clock of ratings v-unavailable and v-unhealthy. Nil: [time.Now].
	Now func() time.Time
}

// Caller makes a call in place of HTTP and gives its whole answer. An error is what breaks off a call, or a time-out.
type Caller func(target string, header http.Header, timeout time.Duration) (status int, body []byte, err error)

// Timeouts are the durations built into the reference app. Zero means the default of each; tests shorten them.
type Timeouts struct {
	// Details bounds productpage's call to details. Default 3 s.
	Details time.Duration
	// Reviews bounds each of productpage's two calls to reviews. Default 3 s.
	Reviews time.Duration
	// Ratings bounds productpage's call to ratings (its API only). Default 3 s.
	Ratings time.Duration
	// BlackStars bounds the call of reviews v2 to ratings. Default 10 s: longer than productpage is willing to wait, the
	// bug that fault injection is to find.
	BlackStars time.Duration
	// RedStars bounds the call of reviews v3 to ratings. Default 2.5 s.
	RedStars time.Duration
	// Books bounds the call of details v2 to the public book service. Default 5 s.
	Books time.Duration
	// Database bounds reaching the database of ratings v2. Default 2 s.
	Database time.Duration
	// Delayed is how late half of the answers of ratings v-delayed come. Default 7 s.
	Delayed time.Duration
	// Unavailable is half the period of ratings v-unavailable: well that long, then 503 that long. Default 60 s.
	Unavailable time.Duration
	// Unhealthy is half the period of ratings v-unhealthy. Default 15 min.
	Unhealthy time.Duration
}

func (t Timeouts) withDefaults() Timeouts {
	return Timeouts{
		Details:     cmp.Or(t.Details, 3*time.Second),
		Reviews:     cmp.Or(t.Reviews, 3*time.Second),
		Ratings:     cmp.Or(t.Ratings, 3*time.Second),
		BlackStars:  cmp.Or(t.BlackStars, 10*time.Second),
		RedStars:    cmp.Or(t.RedStars, 2500*time.Millisecond),
		Books:       cmp.Or(t.Books, 5*time.Second),
		Database:    cmp.Or(t.Database, 2*time.Second),
		Delayed:     cmp.Or(t.Delayed, 7*time.Second),
		Unavailable: cmp.Or(t.Unavailable, time.Minute),
		Unhealthy:   cmp.Or(t.Unhealthy, 15*time.Minute),
	}
}

func (o Options) withDefaults() Options {
	if o.Env == nil {
		o.Env = func(string) string { return "" }
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Grace = cmp.Or(o.Grace, 2*time.Second)
	o.Timeouts = o.Timeouts.withDefaults()
	return o
}

func (o Options) logger(role string) *slog.Logger {
	return slog.New(slog.NewTextHandler(o.Log, nil)).With("service", role)
}

// name is who the service says it is.
func (o Options) name() string {
	return cmp.Or(o.Env("WORKLOAD_NAME"), o.pod())
}

func (o Options) pod() string {
	return cmp.Or(o.Env("POD_NAME"), o.Env("HOSTNAME"), "unknown")
}

func (o Options) flag(name string) bool { return o.Env(name) == "true" }
