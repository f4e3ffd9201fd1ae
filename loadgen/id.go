package loadgen

import (
	"encoding/hex"
	"net/http"
	"strconv"

	"github.com/squallmesh/squall/loadgen/pace"
)

// IDs identify one request. They depend on the seed, the load's name and the request's number alone.
type IDs struct {
	// Request is the x-request-id: a UUID in form. Its 13th hex digit is 9, by which Envoy knows that the request is traced
	// and which it then leaves as it is; 4 for a load of which the mesh decides, which Envoy may change.
	Request string
	// Trace is the 128-bit trace id, 32 hex digits.
	Trace string
}

// Span is the id of the span that the load itself stands for: the low half of the trace id.
func (i IDs) Span() string { return i.Trace[16:] }

// MakeIDs derives the ids of request n.
func MakeIDs(seed uint64, load string, n uint64, traced bool) IDs {
	key := pace.Key(seed, "id/"+load+"/"+strconv.FormatUint(n, 10))
	key[8] |= 1 // a span id of zero is not valid
	version := byte(0x40)
	if traced {
		version = 0x90
	}
	key[22] = key[22]&0x0f | version
	key[24] = key[24]&0x3f | 0x80
	u := hex.EncodeToString(key[16:32])
	return IDs{
		Request: u[:8] + "-" + u[8:12] + "-" + u[12:16] + "-" + u[16:20] + "-" + u[20:],
		Trace:   hex.EncodeToString(key[:16]),
	}
}

func (i IDs) set(h http.Header, traced bool) {
	h["X-Request-Id"] = []string{i.Request}
	h["X-B3-Traceid"] = []string{i.Trace}
	h["X-B3-Spanid"] = []string{i.Span()}
	if !traced {
		return // W3C's header cannot leave it open
	}
	h["X-B3-Sampled"] = []string{"1"}
	h["Traceparent"] = []string{"00-" + i.Trace + "-" + i.Span() + "-01"}
}
