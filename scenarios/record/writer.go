package record

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/telemetry"
)

// Precision of all times in a record.
const Precision = time.Microsecond

// patience is how many flushes an item waits for what belongs to it: a hop for its request and its span.
const patience = 2

// Writer writes a run's file while the run goes on. It is used by one goroutine at a time.
type Writer struct {
	out     *zstd.Encoder
	json    *json.Encoder
	begin   time.Time
	origins origins

	strings, shapes, spanShapes table
	// spanIDs numbers spans by trace and id.
	spanIDs map[[2]string]int64

	results []loadgen.Result
	hops    []waiting[telemetry.Hop]
	spans   []waiting[telemetry.Span]
}

// waiting is an item that may yet find what belongs to it.
type waiting[T any] struct {
	item    T
	flushes int
}

var zeroTime time.Time

// NewWriter begins a file with what is known of a run; where are the places of its checks. The run's Start must be set.
func NewWriter(w io.Writer, r *Run, where []diag.Pos) (*Writer, error) {
	out, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	f := &Writer{out: out, json: json.NewEncoder(out), begin: r.Start, origins: origins{seed: r.Seed}, spanIDs: map[[2]string]int64{}}
	f.json.SetEscapeHTML(false)
	if err := f.json.Encode(line{Record: fileVersion, Run: shareable(r), Where: where}); err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	return f, f.flush()
}

// Add takes what was seen since the last call, and writes it.
func (w *Writer) Add(results []loadgen.Result, hops []telemetry.Hop, spans []telemetry.Span) error {
	w.results = append(w.results, results...)
	for _, r := range results {
		w.origins.see(r)
	}
	for _, h := range hops {
		w.hops = append(w.hops, waiting[telemetry.Hop]{item: h})
	}
	for _, s := range spans {
		w.spans = append(w.spans, waiting[telemetry.Span]{item: s})
	}
	return w.batch(false)
}

// Close ends the file with the whole run.
func (w *Writer) Close(r *Run) error {
	if err := w.batch(true); err != nil {
		return err
	}
	end := line{End: true, Run: shareable(r), Counters: w.counters(r.Counters)}
	if err := w.write(line{Strings: w.strings.take()}, end); err != nil {
		return err
	}
	if err := w.out.Close(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

func (w *Writer) flush() error {
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

func (w *Writer) write(lines ...line) error {
	for _, l := range lines {
		if err := w.json.Encode(l); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	return nil
}

// batch writes what needs not wait any longer, or all.
func (w *Writer) batch(all bool) error {
	results := w.resultColumns()
	hops, spans := w.join(all)
	l := line{
		Strings: w.strings.take(), Shapes: w.shapes.takeJSON(), SpanShapes: w.spanShapes.takeJSON(),
	}
	var lines []line
	if len(l.Strings)+len(l.Shapes)+len(l.SpanShapes) > 0 {
		lines = append(lines, l)
	}
	if n := len(results.Load); n > 0 {
		lines = append(lines, line{Results: &results})
	}
	if len(hops.Shape) > 0 {
		lines = append(lines, line{Hops: &hops})
	}
	if len(spans.Shape) > 0 {
		lines = append(lines, line{Spans: &spans})
	}
	if len(lines) == 0 {
		return nil
	}
	if err := w.write(lines...); err != nil {
		return err
	}
	return w.flush()
}

func (w *Writer) resultColumns() resultColumns {
	slices.SortStableFunc(w.results, func(a, b loadgen.Result) int {
		return cmp.Or(cmp.Compare(a.Load, b.Load), cmp.Compare(a.Seq, b.Seq))
	})
	var c resultColumns
	lastSeq, last := int64(0), w.begin
	for _, r := range w.results {
		c.Load = append(c.Load, w.strings.of(r.Load))
		c.Seq = append(c.Seq, int64(r.Seq)-lastSeq)
		c.Scheduled = append(c.Scheduled, micros(r.Scheduled.Sub(last)))
		c.Sent = append(c.Sent, micros(r.Sent.Sub(r.Scheduled)))
		c.End = append(c.End, micros(r.End.Sub(r.Sent)))
		c.Status = append(c.Status, int64(r.Status))
		c.Err = append(c.Err, w.strings.optional(r.Err))
		c.Bytes = append(c.Bytes, r.Bytes)
		c.Value = append(c.Value, w.strings.optional(Redact(r.Value)))
		c.Header = append(c.Header, w.strings.optional(headerText(r.Header)))
		ids := int64(-1)
		if want := w.origins.ids(request{r.Load, r.Seq}); want.Trace != r.TraceID || want.Request != r.RequestID {
			ids = w.strings.of(r.TraceID + " " + r.RequestID)
		}
		c.IDs = append(c.IDs, ids)
		lastSeq, last = int64(r.Seq), r.Scheduled
	}
	w.results = nil
	return c
}

func headerText(h map[string]string) string {
	if len(h) == 0 {
		return ""
	}
	safe := map[string]string{}
	for k, v := range h {
		safe[k] = RedactHeader(k, v)
	}
	data, err := json.Marshal(safe)
	if err != nil {
		panic(fmt.Sprintf("a map of texts cannot be written: %v", err))
	}
	return string(data)
}

// join brings hops and their spans together. What lacks its other half waits for it, if there is time.
func (w *Writer) join(all bool) (hopColumns, spanColumns) {
	spanOf := map[[2]string]int{}
	for i, s := range w.spans {
		spanOf[[2]string{s.item.TraceID, s.item.ID}] = i
	}
	taken := make([]bool, len(w.spans))
	var ready []telemetry.Hop
	match := map[int]int{}
	var later []waiting[telemetry.Hop]
	for _, h := range w.hops {
		i, found := spanOf[[2]string{h.item.TraceID, h.item.SpanID}]
		found = found && !taken[i]
		_, known := w.origins.byTrace[h.item.TraceID]
		if !all && h.flushes < patience && (!known || !found && h.item.SpanID != "") {
			h.flushes++
			later = append(later, h)
			continue
		}
		if found {
			taken[i] = true
			match[len(ready)] = i
		}
		ready = append(ready, h.item)
	}
	order := make([]int, len(ready))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return w.compare(ready[a].TraceID, ready[b].TraceID, ready[a].Time, ready[b].Time) })
	c := w.newHopColumns()
	for _, n := range order {
		var span *telemetry.Span
		if i, ok := match[n]; ok {
			span = &w.spans[i].item
		}
		c.add(ready[n], span)
	}
	w.hops = later

	var alone []telemetry.Span
	var waitingSpans []waiting[telemetry.Span]
	for i, s := range w.spans {
		switch {
		case taken[i]:
		case !all && s.flushes < 2*patience:
			s.flushes++
			waitingSpans = append(waitingSpans, s)
		default:
			alone = append(alone, s.item)
		}
	}
	w.spans = waitingSpans
	slices.SortStableFunc(alone, func(a, b telemetry.Span) int {
		return w.compare(a.TraceID, b.TraceID, time.UnixMicro(a.Timestamp), time.UnixMicro(b.Timestamp))
	})
	return c.hopColumns, w.spanColumns(alone)
}

func (w *Writer) compare(traceA, traceB string, a, b time.Time) int {
	x, y := w.origins.byTrace[traceA], w.origins.byTrace[traceB]
	return cmp.Or(cmp.Compare(x.load, y.load), cmp.Compare(x.seq, y.seq), cmp.Compare(traceA, traceB), a.Compare(b))
}

// traffic fills the columns that hops and spans share.
type traffic struct {
	w       *Writer
	last    time.Time
	lastSeq int64
}

func (t *traffic) add(c *trafficColumns, trace string, at time.Time) (loadgen.IDs, bool) {
	c.At = append(c.At, micros(at.Sub(t.last)))
	t.last = at
	req, known := t.w.origins.byTrace[trace]
	ids := t.w.origins.ids(req)
	if !known || ids.Trace != trace {
		c.Load = append(c.Load, -1)
		c.Trace = append(c.Trace, t.w.strings.optional(trace))
		return ids, false
	}
	c.Load = append(c.Load, t.w.strings.of(req.load))
	c.Trace = append(c.Trace, int64(req.seq)-t.lastSeq)
	t.lastSeq = int64(req.seq)
	return ids, true
}

// requestID is -1 for the id that the load gave the trace's request.
func (w *Writer) requestID(id string, ids loadgen.IDs, known bool) int64 {
	if known && id == ids.Request {
		return -1
	}
	return w.strings.of(id)
}

// spanNumber numbers the spans of the file.
func (w *Writer) spanNumber(trace, id string) int64 {
	switch {
	case id == "":
		return noSpan
	case len(trace) == 32 && trace[16:] == id:
		return loadSpan
	}
	key := [2]string{trace, id}
	n := w.spanIDs[key]
	if n == 0 {
		n = int64(len(w.spanIDs)) + 1
		w.spanIDs[key] = n
	}
	return n
}

type hopWriter struct {
	hopColumns
	w       *Writer
	traffic traffic
	// lastSpan makes numbers of spans small.
	lastSpan int64
}

func (w *Writer) newHopColumns() *hopWriter {
	return &hopWriter{w: w, traffic: traffic{w: w, last: w.begin}}
}

func (c *hopWriter) add(h telemetry.Hop, span *telemetry.Span) {
	w := c.w
	shape, err := json.Marshal(shapeOf(h))
	if err != nil {
		panic(fmt.Sprintf("a hop cannot be written: %v", err))
	}
	c.Shape = append(c.Shape, w.shapes.of(string(shape)))
	ids, known := c.traffic.add(&c.trafficColumns, h.TraceID, h.Time)
	c.Duration = append(c.Duration, micros(h.Duration))
	c.Upstream = append(c.Upstream, micros(h.UpstreamTime))
	c.Request = append(c.Request, w.requestID(h.RequestID, ids, known))
	c.Received = append(c.Received, int64(h.BytesReceived))
	c.Sent = append(c.Sent, int64(h.BytesSent))
	c.HeadersIn = append(c.HeadersIn, int64(h.HeaderBytesReceived))
	c.HeadersOut = append(c.HeadersOut, int64(h.HeaderBytesSent))
	n := w.spanNumber(h.TraceID, h.SpanID)
	c.Span = append(c.Span, c.near(n))
	if span == nil {
		c.SpanShape = append(c.SpanShape, -1)
		return
	}
	c.SpanShape = append(c.SpanShape, w.spanShape(*span))
	c.SpanParent = append(c.SpanParent, c.near(w.spanNumber(span.TraceID, span.ParentID)))
	c.SpanAt = append(c.SpanAt, span.Timestamp-h.Time.UnixMicro())
	c.SpanLasting = append(c.SpanLasting, span.Duration-h.Duration.Microseconds())
}

// near writes a span's number as its distance from the last one, above 1, so that the special numbers stay what they are.
func (c *hopWriter) near(n int64) int64 {
	if n <= 0 {
		return n
	}
	d := n - c.lastSpan
	c.lastSpan = n
	if d >= 0 {
		return 2*d + 1
	}
	return -2 * d
}

func (w *Writer) spanShape(s telemetry.Span) int64 {
	shape, err := json.Marshal(spanShapeOf(s))
	if err != nil {
		panic(fmt.Sprintf("a span cannot be written: %v", err))
	}
	return w.spanShapes.of(string(shape))
}

func (w *Writer) spanColumns(spans []telemetry.Span) spanColumns {
	var c spanColumns
	t := traffic{w: w, last: w.begin}
	for _, s := range spans {
		c.Shape = append(c.Shape, w.spanShape(s))
		ids, known := t.add(&c.trafficColumns, s.TraceID, time.UnixMicro(s.Timestamp))
		c.ID = append(c.ID, w.spanNumber(s.TraceID, s.ID))
		c.Parent = append(c.Parent, w.spanNumber(s.TraceID, s.ParentID))
		c.Lasting = append(c.Lasting, s.Duration)
		c.Request = append(c.Request, w.requestID(s.Tags[requestTag], ids, known))
	}
	return c
}

func (w *Writer) counters(all map[string]map[string]Window) *counterColumns {
	out := &counterColumns{}
	last := map[string]map[string]uint64{}
	for _, phase := range slices.Sorted(maps.Keys(all)) {
		for _, proxy := range slices.Sorted(maps.Keys(all[phase])) {
			window := all[phase][proxy]
			out.Windows = append(out.Windows, counterWindow{
				Phase: phase, Proxy: proxy, Begin: w.counted(last[proxy], window.Begin), End: w.counted(window.Begin, window.End),
			})
			last[proxy] = window.Begin
		}
	}
	return out
}

func (w *Writer) counted(before, now map[string]uint64) counted {
	var c counted
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if v, had := before[name]; !had || v != now[name] {
			c.Name = append(c.Name, w.strings.of(name))
			c.Value = append(c.Value, int64(now[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, has := now[name]; !has {
			c.Name = append(c.Name, w.strings.of(name))
			c.Value = append(c.Value, -1)
		}
	}
	return c
}

func micros(d time.Duration) int64 { return int64(d / Precision) }

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// shareable is the run without its secrets.
func shareable(r *Run) *Run {
	out := *r
	out.Scenario.Spec.Load = slices.Clone(r.Scenario.Spec.Load)
	for i, l := range out.Scenario.Spec.Load {
		headers := map[string]string{}
		for k, v := range l.Request.Headers {
			headers[k] = RedactHeader(k, v)
		}
		out.Scenario.Spec.Load[i].Request.Headers = headers
		out.Scenario.Spec.Load[i].Request.Body = Redact(l.Request.Body)
		out.Scenario.Spec.Load[i].Request.Path = Redact(l.Request.Path)
	}
	return &out
}
