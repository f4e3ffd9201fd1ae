package telemetry

// Names of the custom tags in which an entry of a proxy's log says how its request is counted: CountedTag has a Counting as JSON, and each
// CountedValue with a number behind it a value that the proxy found.
const (
	CountedTag   = "metrics"
	CountedValue = "metric."
)

// Counting says how the rules of a mesh's users change the metrics in which a hop counts, by Istio's names of metrics: REQUEST_COUNT. What
// is not there counts as Istio has it.
type Counting map[string]Counted

// Counted is what becomes of one metric.
type Counted struct {
	// Disabled leaves the hop out of it.
	Disabled bool `json:"disabled,omitempty"`
	// Labels that come, change, or, with an empty value, go.
	Labels map[string]string `json:"labels,omitempty"`
}
