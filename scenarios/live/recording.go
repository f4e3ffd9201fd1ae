package live

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/telemetry"
	"github.com/squallmesh/squall/scenarios/record"
)

// recordEvery is how often the file of a run gets what was seen: what a killed run loses at most, twice.
const recordEvery = 500 * time.Millisecond

// recording writes the run's file while it goes on, by one goroutine at a time; one that is nil writes nothing.
type recording struct {
	file *record.Writer
	// What has been written.
	results, hops, spans int
}

// openRecord begins the file, once it is known when the run begins.
func (r *runner) openRecord() error {
	if r.opts.Record == nil {
		return nil
	}
	var where []diag.Pos
	for i := range r.file.Spec.Checks {
		where = append(where, r.file.Where(fmt.Sprintf("spec.checks[%d]", i)))
	}
	file, err := record.NewWriter(r.opts.Record, r.run, where)
	if err != nil {
		return err
	}
	r.recording = &recording{file: file}
	return nil
}

// record writes what was seen since the last time.
func (r *runner) record() error {
	w := r.recording
	if w == nil {
		return nil
	}
	r.mu.Lock()
	results := slices.Clone(r.results[w.results:])
	r.mu.Unlock()
	hops := r.hopsFrom(w.hops)
	w.results += len(results)
	w.hops += len(hops)
	spans, all := r.observed.SpansFrom(w.spans)
	w.spans = all
	return w.file.Add(results, hops, spans)
}

// keepRecord writes until the context ends. A record that cannot be written ends the run: it would prove nothing afterwards.
func (r *runner) keepRecord(ctx context.Context) error {
	tick := time.NewTicker(recordEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := r.record(); err != nil {
				return err
			}
		}
	}
}

// closeRecord ends the file with the whole run.
func (r *runner) closeRecord() error {
	if r.recording == nil {
		return nil
	}
	if err := r.record(); err != nil {
		return err
	}
	return r.recording.file.Close(r.run)
}

// hopsFrom gives the hops after the first n, with relays seen through and times as exact as the record's.
func (r *runner) hopsFrom(n int) []telemetry.Hop {
	hops := r.observed.Ledger.From(n)
	for i := range hops {
		h := &hops[i]
		h.UpstreamAddress = r.lab.Beyond(h.UpstreamAddress)
		h.Time = h.Time.Truncate(record.Precision)
		h.Duration, h.UpstreamTime = h.Duration.Truncate(record.Precision), h.UpstreamTime.Truncate(record.Precision)
	}
	return hops
}
