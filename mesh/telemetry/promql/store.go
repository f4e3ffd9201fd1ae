package promql

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// Options of a store. Zero fields have defaults.
type Options struct {
	// OutOfOrder is how much later than a series' newest sample others may arrive. 0: 10 minutes.
	OutOfOrder time.Duration
	// Timeout of a query. 0: 30 s.
	Timeout time.Duration
	// MaxSamples that a query may hold in memory. 0: 50 million, as in Prometheus.
	MaxSamples int
	// Logger of the storage. nil: none.
	Logger *slog.Logger
}

// Defaults of Options.
const (
	DefaultOutOfOrder = 10 * time.Minute
	DefaultTimeout    = 30 * time.Second
	DefaultMaxSamples = 50_000_000
	// Lookback is how old a sample may be to count as a series' value: Prometheus' default.
	Lookback = 5 * time.Minute
)

// Store holds points and answers queries. It may be used by several goroutines at once.
type Store struct {
	db     *tsdb.DB
	engine *promql.Engine
	parser parser.Parser
}

// Open makes a store in a folder, which is made if need be and which is the store's alone.
func Open(dir string, opts Options) (*Store, error) {
	if opts.OutOfOrder == 0 {
		opts.OutOfOrder = DefaultOutOfOrder
	}
	if opts.Timeout == 0 {
		opts.Timeout = DefaultTimeout
	}
	if opts.MaxSamples == 0 {
		opts.MaxSamples = DefaultMaxSamples
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	dbOpts := tsdb.DefaultOptions()
	dbOpts.WALSegmentSize = -1 // none
	dbOpts.NoLockfile = true
	dbOpts.OutOfOrderTimeWindow = opts.OutOfOrder.Milliseconds()
	db, err := tsdb.Open(dir, opts.Logger, nil, dbOpts, tsdb.NewDBStats())
	if err != nil {
		return nil, fmt.Errorf("metrics in %s: %w", dir, err)
	}
	p := parser.NewParser(parser.Options{EnableExtendedRangeSelectors: true})
	return &Store{db: db, parser: p, engine: promql.NewEngine(promql.EngineOpts{
		Logger: opts.Logger, MaxSamples: opts.MaxSamples, Timeout: opts.Timeout, LookbackDelta: Lookback,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: p,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Second.Milliseconds() },
	})}, nil
}

// Close ends the store.
func (s *Store) Close() error {
	return errors.Join(s.engine.Close(), s.db.Close())
}

// Append files points. Times count in whole milliseconds, rounded down. Points that cannot be stored do not keep others from
// it; the error joins one per such point: a second value for a series and a millisecond, or one that is too late. Points of one
// call are best in the order of time: one that is too late for another of the same call is dropped.
func (s *Store) Append(points []telemetry.Point) error {
	app := s.db.Appender(context.Background()) // appending cannot be interrupted
	var errs []error
	builder := labels.NewScratchBuilder(0)
	type moment struct {
		series storage.SeriesRef
		at     int64
	}
	values := make(map[moment]float64, len(points)) // the storage itself drops a second value of one batch in silence
	for i := range points {
		p := &points[i]
		builder.Reset()
		builder.Add(labels.MetricName, p.Name) //nolint:staticcheck // no metadata here
		for _, l := range p.Labels {
			builder.Add(l.Name, l.Value)
		}
		builder.Sort()
		at := p.Time.UnixMilli()
		ref, err := app.Append(0, builder.Labels(), at, p.Value)
		if err == nil {
			value, twice := values[moment{ref, at}]
			switch {
			case !twice:
				values[moment{ref, at}] = p.Value
			case value != p.Value:
				err = storage.ErrDuplicateSampleForTimestamp
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s at %s: %w", builder.Labels(), p.Time.Format(time.RFC3339Nano), storable(err)))
		}
	}
	return errors.Join(append(errs, app.Commit())...)
}

// storable says in our words what the storage's errors mean.
func storable(err error) error {
	switch {
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return errors.New("there is another value for this millisecond")
	case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrOutOfOrderSample):
		return errors.New("it is older than the store takes")
	}
	return err
}
