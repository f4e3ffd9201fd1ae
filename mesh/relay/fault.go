package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
	"github.com/rs/zerolog/log"
)

// Fault is what a relay does to the bytes that pass it. Set fields act together.
type Fault struct {
	// Latency holds bytes on their way to the upstream: what a round trip takes longer. In whole milliseconds.
	Latency time.Duration
	// Jitter varies the latency by as much up and down, evenly. In whole milliseconds.
	Jitter time.Duration
	// Bandwidth limits both directions of each connection, in bytes a second; 0 does not. At least 1,000.
	Bandwidth int64
	// Stall lets nothing pass in either direction. Nothing is lost: it passes when the fault ends.
	Stall bool
	// Reset ends open connections and those to come with an RST.
	Reset bool
}

// toxic is one part of a fault, in the terms of toxiproxy.
type toxic struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Stream     string `json:"stream"`
	Attributes any    `json:"attributes"`
}

func (f Fault) toxics(name string) []toxic {
	var out []toxic
	add := func(kind, stream string, attributes any) {
		out = append(out, toxic{Name: name + "/" + kind + "/" + stream, Type: kind, Stream: stream, Attributes: attributes})
	}
	if f.Latency > 0 || f.Jitter > 0 {
		add("latency", "upstream", toxics.LatencyToxic{Latency: f.Latency.Milliseconds(), Jitter: f.Jitter.Milliseconds()})
	}
	if f.Bandwidth > 0 {
		rate := toxics.BandwidthToxic{Rate: f.Bandwidth / 1000}
		add("bandwidth", "upstream", rate)
		add("bandwidth", "downstream", rate)
	}
	if f.Stall {
		add(stallType, "upstream", stall{})
		add(stallType, "downstream", stall{})
	}
	return out
}

func (t toxic) json() *bytes.Reader {
	data, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("a toxic of plain fields cannot be written: %v", err))
	}
	return bytes.NewReader(data)
}

// stallType is the stall's name among the toxics.
const stallType = "squall_stall"

// stall reads nothing, so that nothing passes until it is taken away. Toxiproxy's own timeout would drop what it holds.
type stall struct{}

// Pipe implements toxics.Toxic.
func (*stall) Pipe(stub *toxics.ToxicStub) { <-stub.Interrupt }

// prepare makes the stall known, and keeps the toxics' own log off standard error.
var prepare = sync.OnceFunc(func() {
	log.Logger = zerolog.Nop()
	toxics.Register(stallType, new(stall))
})
