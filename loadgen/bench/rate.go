package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/loadgen/pace"
)

// server answers on 127.0.0.1 until closed.
type server struct {
	http.Server
	url  string
	done chan error
}

func serve(ctx context.Context, handler http.HandlerFunc) (*server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + listener.Addr().String(), done: make(chan error, 1)}
	s.Handler, s.ReadHeaderTimeout = handler, time.Minute
	go func() { s.done <- s.Serve(listener) }()
	return s, nil
}

func (s *server) stop() error {
	err := s.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// RateOptions of Rate. Zero fields have defaults.
type RateOptions struct {
	// For is how long each rate is offered. 0: 2 s.
	For time.Duration
	// Least is the rate at which to give up, per second. 0: 100.
	Least uint64
	// Tolerance of lateness at a rate that counts as sustained.
	Tolerance loadgen.Tolerance
}

// Rate is the highest rate, in requests per second, that was sustained against a handler in this process that answers at
// once. It finds what a fixed number of workers can do at most, and then offers 95 %, 90 % ... of that on schedule until a
// rate is kept: not Behind, all answered, and over no later than 1 % after its schedule.
func Rate(ctx context.Context, opts RateOptions) (perSecond float64, err error) {
	if opts.For == 0 {
		opts.For = 2 * time.Second
	}
	if opts.Least == 0 {
		opts.Least = 100
	}
	s, err := serve(ctx, func(http.ResponseWriter, *http.Request) {})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	most, err := saturate(ctx, s.url, opts.For/2)
	if err != nil {
		return 0, err
	}
	for share := 95; share > 0; share -= 5 {
		rate := uint64(most) * uint64(share) / 100
		if rate < opts.Least {
			break
		}
		kept, err := sustains(ctx, s.url, rate, opts)
		if err != nil {
			return 0, err
		}
		if kept {
			return float64(rate), nil
		}
	}
	return 0, fmt.Errorf("no rate of at least %d/s was sustained", opts.Least)
}

const (
	// workers that are always busy in saturate: enough to keep two cores at work.
	workers = 32
	// maxWorkers bounds the connections at a rate that is too high; the bound shows as lateness.
	maxWorkers = 256
)

// saturate returns how many requests a second a fixed number of workers complete.
func saturate(ctx context.Context, url string, span time.Duration) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	completed := 0
	start := time.Now()
	_, err := loadgen.Run(ctx, start, []loadgen.Load{{
		Name: "saturate", Pacer: pace.NewConstant(pace.PerSecond(1_000_000)), Duration: time.Hour,
		Requests: loadgen.Get(url), MaxWorkers: workers,
	}}, func(r loadgen.Result) {
		if r.Err == "" {
			completed++
		}
	})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return 0, err
	}
	return float64(completed) / time.Since(start).Seconds(), nil
}

func sustains(ctx context.Context, url string, rate uint64, opts RateOptions) (bool, error) {
	start := time.Now().Add(10 * time.Millisecond)
	bounded, cancel := context.WithDeadline(ctx, start.Add(2*opts.For))
	defer cancel()
	summaries, err := loadgen.Run(bounded, start, []loadgen.Load{{
		Name: "rate", Pacer: pace.NewConstant(pace.PerSecond(rate)), Duration: opts.For, Requests: loadgen.Get(url),
		Tolerance: opts.Tolerance, MaxWorkers: maxWorkers,
	}}, nil)
	switch {
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		return false, nil
	case err != nil:
		return false, err
	}
	took := time.Since(start)
	kept := !summaries[0].Behind && summaries[0].Completed == summaries[0].Offered
	return kept && took < opts.For+opts.For/100+loadgen.DefaultLate, nil
}
