package record

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/telemetry"
)

// maxLine bounds one line of the file.
const maxLine = 256 << 20

// Read reads a run's file; where are the places of its checks. A file that ends early, because its run was killed, gives what it
// has, and the run says in Broken where it ends. Times are exact to Precision, ids of spans are numbered anew, ports of the moment
// and secrets are left out.
func Read(r io.Reader) (run *Run, where []diag.Pos, err error) {
	in, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, nil, fmt.Errorf("record: %w", err)
	}
	defer in.Close()
	f := &reader{lines: bufio.NewScanner(in)}
	f.lines.Buffer(nil, maxLine)
	if err := f.header(); err != nil {
		return nil, nil, err
	}
	for !f.ended {
		l, err := f.next()
		switch {
		case errors.Is(err, errEarly):
			f.cut()
			return f.run, f.where, nil
		case err != nil:
			return nil, nil, err
		}
		if err := f.take(l); err != nil {
			return nil, nil, err
		}
	}
	return f.run, f.where, nil
}

// errEarly says that the file ends before its run did.
var errEarly = errors.New("the record ends early")

type reader struct {
	lines *bufio.Scanner
	count int
	run   *Run
	where []diag.Pos
	ended bool

	strings    []string
	shapes     []telemetry.Hop
	spanShapes []telemetry.Span

	results []loadgen.Result
	hops    []telemetry.Hop
	spans   []telemetry.Span
}

func (f *reader) header() error {
	l, err := f.next()
	if err != nil || l.Record == 0 || l.Run == nil {
		return fmt.Errorf("this is not the record of a run: %w", errors.Join(err, f.lines.Err()))
	}
	if l.Record != fileVersion {
		return fmt.Errorf("the record has version %d; this program reads version %d", l.Record, fileVersion)
	}
	f.run, f.where = l.Run, l.Where
	return nil
}

func (f *reader) next() (line, error) {
	var l line
	if !f.lines.Scan() {
		return l, errEarly
	}
	f.count++
	if err := json.Unmarshal(f.lines.Bytes(), &l); err != nil {
		if f.lines.Err() != nil || !f.lines.Scan() {
			return l, errEarly // the last line is cut
		}
		return l, fmt.Errorf("line %d of the record: %w", f.count, err)
	}
	return l, nil
}

// cut makes the best of a record without an end.
func (f *reader) cut() {
	f.keep()
	last := f.run.Start
	for _, r := range f.run.Results {
		if r.End.After(last) {
			last = r.End
		}
	}
	f.run.End = last
	f.run.Broken = fmt.Sprintf("the record ends %.1fs after t = 0: the run did not come to its end", last.Sub(f.run.Start).Seconds())
}

func (f *reader) keep() {
	slices.SortStableFunc(f.results, func(a, b loadgen.Result) int { return a.End.Compare(b.End) })
	slices.SortStableFunc(f.hops, func(a, b telemetry.Hop) int { return a.End().Compare(b.End()) })
	f.run.Results, f.run.Hops, f.run.Spans = f.results, f.hops, f.spans
}

func (f *reader) take(l line) (err error) {
	defer func() {
		if broken := recover(); broken != nil {
			err = fmt.Errorf("line %d of the record does not hold together: %v", f.count, broken)
		}
	}()
	f.strings = append(f.strings, l.Strings...)
	for _, s := range l.Shapes {
		var h telemetry.Hop
		if err := json.Unmarshal(s, &h); err != nil {
			return fmt.Errorf("line %d of the record: %w", f.count, err)
		}
		f.shapes = append(f.shapes, h)
	}
	for _, s := range l.SpanShapes {
		var span telemetry.Span
		if err := json.Unmarshal(s, &span); err != nil {
			return fmt.Errorf("line %d of the record: %w", f.count, err)
		}
		f.spanShapes = append(f.spanShapes, span)
	}
	if l.Results != nil {
		f.addResults(l.Results)
	}
	if l.Hops != nil {
		f.addHops(l.Hops)
	}
	if l.Spans != nil {
		f.addSpans(l.Spans)
	}
	if l.End {
		f.run = l.Run
		f.keep()
		f.run.Counters = f.counters(l.Counters)
		f.ended = true
	}
	return nil
}

func (f *reader) text(i int64) string {
	if i < 0 {
		return ""
	}
	return f.strings[i]
}

func duration(us int64) time.Duration { return time.Duration(us) * Precision }

func (f *reader) addResults(c *resultColumns) {
	seq, last := int64(0), f.run.Start
	for i := range c.Load {
		seq += c.Seq[i]
		last = last.Add(duration(c.Scheduled[i]))
		r := loadgen.Result{
			Load: f.text(c.Load[i]), Seq: uint64(seq), Scheduled: last, Status: int(c.Status[i]), Err: f.text(c.Err[i]),
			Bytes: c.Bytes[i], Value: f.text(c.Value[i]),
		}
		r.Sent = last.Add(duration(c.Sent[i]))
		r.End = r.Sent.Add(duration(c.End[i]))
		if h := f.text(c.Header[i]); h != "" {
			if err := json.Unmarshal([]byte(h), &r.Header); err != nil {
				panic(err)
			}
		}
		if c.IDs[i] >= 0 {
			r.TraceID, r.RequestID, _ = strings.Cut(f.text(c.IDs[i]), " ")
		} else {
			ids := loadgen.MakeIDs(f.run.Seed, r.Load, r.Seq, true)
			r.TraceID, r.RequestID = ids.Trace, ids.Request
		}
		f.results = append(f.results, r)
	}
}

// place follows the columns that say where an item belongs.
type place struct {
	f    *reader
	seq  int64
	last time.Time
}

func (p *place) of(c *trafficColumns, i int) (loadgen.IDs, time.Time) {
	p.last = p.last.Add(duration(c.At[i]))
	if c.Load[i] < 0 {
		return loadgen.IDs{Trace: p.f.text(c.Trace[i])}, p.last
	}
	p.seq += c.Trace[i]
	return loadgen.MakeIDs(p.f.run.Seed, p.f.text(c.Load[i]), uint64(p.seq), true), p.last
}

func (f *reader) requestID(i int64, ids loadgen.IDs) string {
	if i < 0 {
		return ids.Request
	}
	return f.text(i)
}

// spanID writes a span's number as an id again.
func spanID(n int64, trace string) string {
	switch {
	case n == loadSpan && len(trace) == 32:
		return trace[16:]
	case n == noSpan:
		return ""
	}
	return fmt.Sprintf("%016x", n)
}

func (f *reader) addHops(c *hopColumns) {
	p := place{f: f, last: f.run.Start}
	lastSpan, spans := int64(0), 0
	near := func(v int64) int64 {
		if v <= 0 {
			return v
		}
		if v%2 == 1 {
			lastSpan += (v - 1) / 2
		} else {
			lastSpan -= v / 2
		}
		return lastSpan
	}
	for i := range c.Shape {
		h := f.shapes[c.Shape[i]]
		ids, at := p.of(&c.trafficColumns, i)
		h.Time, h.TraceID = at, ids.Trace
		h.Duration, h.UpstreamTime = duration(c.Duration[i]), duration(c.Upstream[i])
		h.RequestID = f.requestID(c.Request[i], ids)
		h.BytesReceived, h.BytesSent = uint64(c.Received[i]), uint64(c.Sent[i])
		h.HeaderBytesReceived, h.HeaderBytesSent = uint64(c.HeadersIn[i]), uint64(c.HeadersOut[i])
		h.SpanID = spanID(near(c.Span[i]), h.TraceID)
		f.hops = append(f.hops, h)
		if c.SpanShape[i] < 0 {
			continue
		}
		s := f.span(c.SpanShape[i], h.RequestID)
		s.TraceID, s.ID, s.ParentID = h.TraceID, h.SpanID, spanID(near(c.SpanParent[spans]), h.TraceID)
		s.Timestamp = at.UnixMicro() + c.SpanAt[spans]
		s.Duration = h.Duration.Microseconds() + c.SpanLasting[spans]
		spans++
		f.spans = append(f.spans, s)
	}
}

func (f *reader) span(shape int64, request string) telemetry.Span {
	s := f.spanShapes[shape]
	if _, ok := s.Tags[requestTag]; ok {
		s.Tags = maps.Clone(s.Tags)
		s.Tags[requestTag] = request
	}
	return s
}

func (f *reader) addSpans(c *spanColumns) {
	p := place{f: f, last: f.run.Start}
	for i := range c.Shape {
		ids, at := p.of(&c.trafficColumns, i)
		s := f.span(c.Shape[i], f.requestID(c.Request[i], ids))
		s.TraceID, s.Timestamp, s.Duration = ids.Trace, at.UnixMicro(), c.Lasting[i]
		s.ID, s.ParentID = spanID(c.ID[i], s.TraceID), spanID(c.Parent[i], s.TraceID)
		f.spans = append(f.spans, s)
	}
}

func (f *reader) counters(c *counterColumns) map[string]map[string]Window {
	out := map[string]map[string]Window{}
	if c == nil {
		return out
	}
	last := map[string]map[string]uint64{}
	for _, w := range c.Windows {
		if out[w.Phase] == nil {
			out[w.Phase] = map[string]Window{}
		}
		begin := f.counted(last[w.Proxy], w.Begin)
		last[w.Proxy] = begin
		out[w.Phase][w.Proxy] = Window{Begin: begin, End: f.counted(begin, w.End)}
	}
	return out
}

func (f *reader) counted(before map[string]uint64, c counted) map[string]uint64 {
	now := maps.Clone(before)
	if now == nil {
		now = map[string]uint64{}
	}
	for i, name := range c.Name {
		if c.Value[i] < 0 {
			delete(now, f.text(name))
		} else {
			now[f.text(name)] = uint64(c.Value[i])
		}
	}
	return now
}
