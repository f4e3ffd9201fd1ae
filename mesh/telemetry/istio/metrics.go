package istio

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// Names of the metrics.
const (
	RequestsTotal        = "istio_requests_total"
	RequestDuration      = "istio_request_duration_milliseconds"
	RequestBytes         = "istio_request_bytes"
	ResponseBytes        = "istio_response_bytes"
	TCPSentBytes         = "istio_tcp_sent_bytes_total"
	TCPReceivedBytes     = "istio_tcp_received_bytes_total"
	TCPConnectionsOpened = "istio_tcp_connections_opened_total"
	TCPConnectionsClosed = "istio_tcp_connections_closed_total"
)

// Buckets are the upper bounds of all histograms, in milliseconds or bytes: those of Istio's proxy.
var Buckets = []float64{
	0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
}

// Options of metrics. All may be nil.
type Options struct {
	// Peers says who is at an address. nil: nobody is known.
	Peers Peers
	// Proxies says whose proxy logged a hop. nil: the hop's own workload and namespace, without labels.
	Proxies Proxies
	// Service says where an inbound request, whose cluster names no host, was meant to go. nil: to the host that it asked for,
	// and the workload's canonical service.
	Service func(*telemetry.Hop) (Service, bool)
}

// series is one counter, or one histogram.
type series struct {
	labels  telemetry.Labels
	value   float64 // of a counter; the sum of a histogram
	count   uint64
	buckets []uint64 // not cumulative; nil for a counter
}

// Metrics accumulate hops. They may be used by several goroutines at once.
type Metrics struct {
	opts Options

	mu     sync.Mutex
	series map[string]map[string]*series // by name, then labels
}

// New makes metrics that are empty.
func New(opts Options) *Metrics {
	return &Metrics{opts: opts, series: map[string]map[string]*series{}}
}

// Add counts a hop.
func (m *Metrics) Add(h telemetry.Hop) { m.add(&h, 1) }

// Start makes the series that a hop like this would count in, at 0, if they are not there yet. Without it a series appears
// with its first hop, which PromQL's increase does not see.
func (m *Metrics) Start(h telemetry.Hop) { m.add(&h, 0) }

func (m *Metrics) add(h *telemetry.Hop, n uint64) {
	labels := m.common(h)
	if !h.TCP {
		request(h, labels)
	}
	standard := keyed(labels)
	// of gives the labels of a metric, or false if a rule leaves the hop out of it.
	of := func(metric string) (labelled, bool) {
		how, changed := h.Counting[metric]
		if !changed || how.Disabled || len(how.Labels) == 0 {
			return standard, !how.Disabled
		}
		other := maps.Clone(labels)
		for name, value := range how.Labels {
			other[name] = value
			if value == "" {
				delete(other, name)
			}
		}
		return keyed(other), true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	counter := func(metric, name string, value float64) {
		if l, counts := of(metric); counts {
			m.get(name, l.key, l.labels).value += value * float64(n)
		}
	}
	histogram := func(metric, name string, value float64) {
		if l, counts := of(metric); counts {
			m.observe(name, l.key, l.labels, value, n)
		}
	}
	if h.TCP {
		counter("TCP_OPENED_CONNECTIONS", TCPConnectionsOpened, 1)
		counter("TCP_CLOSED_CONNECTIONS", TCPConnectionsClosed, 1)
		counter("TCP_SENT_BYTES", TCPSentBytes, float64(h.BytesSent))
		counter("TCP_RECEIVED_BYTES", TCPReceivedBytes, float64(h.BytesReceived))
		return
	}
	counter("REQUEST_COUNT", RequestsTotal, 1)
	histogram("REQUEST_DURATION", RequestDuration, float64(h.Duration)/float64(time.Millisecond))
	histogram("REQUEST_SIZE", RequestBytes, float64(h.HeaderBytesReceived+h.BytesReceived))
	histogram("RESPONSE_SIZE", ResponseBytes, float64(h.HeaderBytesSent+h.BytesSent))
}

// labelled are labels with their key.
type labelled struct {
	labels telemetry.Labels
	key    string
}

func keyed(labels map[string]string) labelled {
	sorted := telemetry.MakeLabels(labels)
	return labelled{sorted, sorted.Key()}
}

// get is called under the lock.
func (m *Metrics) get(name, key string, labels telemetry.Labels) *series {
	all := m.series[name]
	if all == nil {
		all = map[string]*series{}
		m.series[name] = all
	}
	s := all[key]
	if s == nil {
		s = &series{labels: labels}
		all[key] = s
	}
	return s
}

// observe is called under the lock.
func (m *Metrics) observe(name, key string, labels telemetry.Labels, value float64, n uint64) {
	s := m.get(name, key, labels)
	if s.buckets == nil {
		s.buckets = make([]uint64, len(Buckets)+1)
	}
	i, _ := slices.BinarySearch(Buckets, value) // the first bound that is not below the value
	s.buckets[i] += n
	s.count += n
	s.value += value * float64(n)
}

// Sample returns all series as they are now, under the given time, sorted by name and labels.
func (m *Metrics) Sample(at time.Time) []telemetry.Point {
	m.mu.Lock()
	defer m.mu.Unlock()
	var points []telemetry.Point
	for _, name := range slices.Sorted(maps.Keys(m.series)) {
		all := m.series[name]
		for _, key := range slices.Sorted(maps.Keys(all)) {
			points = all[key].sample(points, name, at)
		}
	}
	return points
}

func (s *series) sample(points []telemetry.Point, name string, at time.Time) []telemetry.Point {
	if s.buckets == nil {
		return append(points, telemetry.Point{Name: name, Labels: s.labels, Time: at, Value: s.value})
	}
	var within uint64
	for i, n := range s.buckets {
		within += n
		bound := "+Inf"
		if i < len(Buckets) {
			bound = strconv.FormatFloat(Buckets[i], 'f', -1, 64)
		}
		points = append(points, telemetry.Point{Name: name + "_bucket", Labels: with(s.labels, "le", bound), Time: at, Value: float64(within)})
	}
	return append(points,
		telemetry.Point{Name: name + "_sum", Labels: s.labels, Time: at, Value: s.value},
		telemetry.Point{Name: name + "_count", Labels: s.labels, Time: at, Value: float64(s.count)})
}

// with adds a label in its place.
func with(labels telemetry.Labels, name, value string) telemetry.Labels {
	i := 0
	for i < len(labels) && labels[i].Name < name {
		i++
	}
	return slices.Insert(slices.Clone(labels), i, telemetry.Label{Name: name, Value: value})
}
