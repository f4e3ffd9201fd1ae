package record

import (
	"encoding/json"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/mesh/telemetry"
)

// table numbers texts in the order of their first use; fresh are those that the file does not have yet.
type table struct {
	index map[string]int64
	fresh []string
}

func (t *table) of(s string) int64 {
	if t.index == nil {
		t.index = map[string]int64{}
	}
	i, known := t.index[s]
	if !known {
		i = int64(len(t.index))
		t.index[s] = i
		t.fresh = append(t.fresh, s)
	}
	return i
}

// optional is -1 for an empty text.
func (t *table) optional(s string) int64 {
	if s == "" {
		return -1
	}
	return t.of(s)
}

func (t *table) take() []string {
	out := t.fresh
	t.fresh = nil
	return out
}

func (t *table) takeJSON() []json.RawMessage {
	var out []json.RawMessage
	for _, s := range t.take() {
		out = append(out, json.RawMessage(s))
	}
	return out
}

// shapeOf is what many hops have in common.
func shapeOf(h telemetry.Hop) telemetry.Hop {
	h.Time, h.Duration, h.UpstreamTime = zeroTime, 0, 0
	h.RequestID, h.TraceID, h.SpanID = "", "", ""
	h.BytesReceived, h.BytesSent, h.HeaderBytesReceived, h.HeaderBytesSent = 0, 0, 0, 0
	h.UpstreamLocal, h.DownstreamRemote = hostOf(h.UpstreamLocal), hostOf(h.DownstreamRemote)
	h.Path, h.OriginalPath, h.Details = Redact(h.Path), Redact(h.OriginalPath), Redact(h.Details)
	return h
}

// spanShapeOf is what many spans have in common. The tag with the request's id is kept empty, so that it comes back.
func spanShapeOf(s telemetry.Span) telemetry.Span {
	s.TraceID, s.ID, s.ParentID, s.Timestamp, s.Duration = "", "", "", 0, 0
	if e := s.RemoteEndpoint; e != nil {
		remote := *e
		remote.Port = 0 // a port of the moment
		s.RemoteEndpoint = &remote
	}
	tags := make(map[string]string, len(s.Tags))
	for k, v := range s.Tags {
		tags[k] = RedactHeader(k, v)
	}
	if _, ok := tags[requestTag]; ok {
		tags[requestTag] = ""
	}
	s.Tags = tags
	return s
}

// request names a load's request.
type request struct {
	load string
	seq  uint64
}

// origins tells which request began a trace.
type origins struct {
	seed    uint64
	byTrace map[string]request
}

func (o *origins) see(r loadgen.Result) {
	if o.byTrace == nil {
		o.byTrace = map[string]request{}
	}
	o.byTrace[r.TraceID] = request{r.Load, r.Seq}
}

func (o *origins) ids(r request) loadgen.IDs { return loadgen.MakeIDs(o.seed, r.load, r.seq, true) }
