package record

import (
	"encoding/json"

	"github.com/squallmesh/squall/mesh/diag"
)

// The file of a run, record.jsonl.zst, is lines of JSON, compressed as one stream that is flushed several times a second: what
// is left of a run that was killed can be read up to then. The first line says what ran; then come batches; the last line is the
// end. What many lines share (names, the shape of a hop) is written once, into tables that only grow.

// fileVersion counts the changes of the format.
const fileVersion = 1

// line is one line of the file; exactly one of its parts is set.
type line struct {
	// Record is the format's version, of the first line.
	Record int `json:"record,omitempty"`
	// Run beside Record is what was known when the run began, beside End the whole run.
	Run *Run `json:"run,omitempty"`
	// Where are the places of the checks in the scenario's file, beside Record.
	Where []diag.Pos `json:"where,omitempty"`
	// End is true in the last line. Counters are beside it.
	End      bool            `json:"end,omitempty"`
	Counters *counterColumns `json:"counters,omitempty"`

	// Strings are added to the table of strings, Shapes to that of hops' shapes, SpanShapes to that of spans'.
	Strings    []string          `json:"strings,omitempty"`
	Shapes     []json.RawMessage `json:"shapes,omitempty"`
	SpanShapes []json.RawMessage `json:"spanShapes,omitempty"`

	Results *resultColumns `json:"results,omitempty"`
	Hops    *hopColumns    `json:"hops,omitempty"`
	Spans   *spanColumns   `json:"spans,omitempty"`
}

// Columns hold one number for each of a batch's items, which compresses far better than an object each. A column named by a
// string's index has -1 for none. Times are in microseconds. "Since the last" counts from the item before in the batch; from t = 0
// for the first.

type resultColumns struct {
	Load []int64 `json:"load"`
	// Seq since the last.
	Seq []int64 `json:"seq"`
	// Scheduled since the last; Sent since Scheduled; End since Sent.
	Scheduled []int64 `json:"scheduled"`
	Sent      []int64 `json:"sent"`
	End       []int64 `json:"end"`
	Status    []int64 `json:"status"`
	Err       []int64 `json:"err"`
	Bytes     []int64 `json:"bytes"`
	Value     []int64 `json:"value"`
	// Header is a string with the headers as JSON.
	Header []int64 `json:"header"`
	// IDs is -1 where they follow from seed, load and number, else a string with both.
	IDs []int64 `json:"ids"`
}

type hopColumns struct {
	Shape []int64 `json:"shape"`
	trafficColumns
	// Duration, and UpstreamTime.
	Duration []int64 `json:"duration"`
	Upstream []int64 `json:"upstream"`
	// Request is -1 where the request's id is the one that its trace's load gave it, else a string.
	Request     []int64 `json:"request"`
	Received    []int64 `json:"received"`
	Sent        []int64 `json:"sent"`
	HeadersIn   []int64 `json:"headersIn"`
	HeadersOut  []int64 `json:"headersOut"`
	Span        []int64 `json:"span"`
	SpanShape   []int64 `json:"spanShape"`
	SpanParent  []int64 `json:"spanParent"`
	SpanAt      []int64 `json:"spanAt"`
	SpanLasting []int64 `json:"spanLasting"`
}

// trafficColumns say to which trace an item belongs, and when it began.
type trafficColumns struct {
	// Load is -1 for a trace that no load began; Trace is then a string, else the request's number since the last.
	Load  []int64 `json:"load"`
	Trace []int64 `json:"trace"`
	// At since the last.
	At []int64 `json:"at"`
}

// spanColumns are spans without a hop of their own.
type spanColumns struct {
	Shape []int64 `json:"shape"`
	trafficColumns
	ID      []int64 `json:"id"`
	Parent  []int64 `json:"parent"`
	Lasting []int64 `json:"lasting"`
	Request []int64 `json:"request"`
}

// counterColumns are the counters of all windows: what a window's begin differs in from the window before of the same proxy, and
// its end from its begin. Value -1 means that the counter had gone.
type counterColumns struct {
	Windows []counterWindow `json:"windows"`
}

type counterWindow struct {
	Phase string  `json:"phase"`
	Proxy string  `json:"proxy"`
	Begin counted `json:"begin"`
	End   counted `json:"end"`
}

type counted struct {
	Name  []int64 `json:"name,omitempty"`
	Value []int64 `json:"value,omitempty"`
}

// The special numbers of spans: those that are not simply counted from 1.
const (
	noSpan = 0
	// loadSpan is the span that the load itself stands for: the low half of the trace's id.
	loadSpan = -1
)

// requestTag is the tag in which Envoy repeats a request's id.
const requestTag = "guid:x-request-id"
