package spec

// Check is something that must hold: exactly one kind of check.
type Check struct {
	// Name in reports; made from the check if unset.
	Name string `json:"name,omitempty"`
	// Phase that is judged: a name of the timeline, before, after or all (default).
	Phase string `json:"phase,omitempty"`
	// Profile, exact or istio, if the check is for runs with that profile alone.
	Profile string `json:"profile,omitempty"`

	// Load picks the requests of one load, for success, status, values and latency.
	Load string `json:"load,omitempty"`
	// Success is the share of answers below 500.
	Success *Bound `json:"success,omitempty"`
	// Status gives the share or number of each status; 0 is no answer.
	Status map[string]Bound `json:"status,omitempty"`
	// P50 bounds the median latency, counted from when requests were due. A quantile needs enough requests: 2.
	P50 *Bound `json:"p50,omitempty"`
	// P90 likewise; needs 10 requests.
	P90 *Bound `json:"p90,omitempty"`
	// P95 likewise; needs 20 requests.
	P95 *Bound `json:"p95,omitempty"`
	// P99 likewise; needs 100 requests.
	P99 *Bound `json:"p99,omitempty"`
	// Max bounds the slowest.
	Max *Bound `json:"max,omitempty"`
	// Min bounds the fastest.
	Min *Bound `json:"min,omitempty"`
	// Values gives the share or number of each value that the load kept.
	Values map[string]Bound `json:"values,omitempty"`

	// Requests picks calls between workloads by the proxies' own logs; Share and Count bound them.
	Requests *Requests `json:"requests,omitempty"`
	// Share of the calls from and to these workloads that have the flags and status asked for.
	Share *Bound `json:"share,omitempty"`
	// Count of the calls.
	Count *Bound `json:"count,omitempty"`

	// Split tests how requests are divided over versions, or over other values, with stated errors.
	Split *Split `json:"split,omitempty"`
	// Rate tests the share of one outcome, of requests or of calls between workloads, with stated errors.
	Rate *Rate `json:"rate,omitempty"`
	// Quantile tests a quantile of latency with stated errors, whatever the distribution is.
	Quantile *Quantile `json:"quantile,omitempty"`
	// Compare tests whether an experiment is like the control that runs at the same time, with stated errors.
	Compare *Compare `json:"compare,omitempty"`
	// Amplification tests how many attempts at a service one request leads to on average, with stated errors.
	Amplification *Amplification `json:"amplification,omitempty"`
	// PromQL is evaluated at the end of the phase; $phase is its length.
	PromQL string `json:"promql,omitempty"`
	// Is bounds every sample of the query's result.
	Is *Bound `json:"is,omitempty"`
	// Counter is a statistic of one proxy; Delta of it bounds its growth over the phase.
	Counter *Counter `json:"counter,omitempty"`
	// Trace describes a trace that the phase must have.
	Trace *Trace `json:"trace,omitempty"`
	// Recovery is how soon after the last fault a load is well again.
	Recovery *Recovery `json:"recovery,omitempty"`
	// Ejected is the endpoints that a proxy has thrown out during the phase.
	Ejected *Ejected `json:"ejected,omitempty"`
}

// Requests picks calls.
type Requests struct {
	// From is a Deployment or a value of the label app; a gateway is istio-ingressgateway. Anyone if unset.
	From string `json:"from,omitempty"`
	// To likewise.
	To string `json:"to,omitempty"`
	// Flags that the call must have among its response flags.
	Flags string `json:"flags,omitempty"`
	// NoFlags asks for calls without any flag.
	NoFlags bool `json:"noFlags,omitempty"`
	// Status that the call must have.
	Status int `json:"status,omitempty"`
	// Attempts that the caller's proxy made.
	Attempts int `json:"attempts,omitempty"`
	// Version is the label version of the workload that answered.
	Version string `json:"version,omitempty"`
}

// Counter names a statistic.
type Counter struct {
	// Proxy is a Deployment or instance; istio-ingressgateway is the gateway.
	Proxy string `json:"proxy"`
	// Name as Envoy has it.
	Name string `json:"name"`
	// Delta bounds its growth.
	Delta Bound `json:"delta"`
	// Traffic is a counter of the same proxy that must have grown, so that a zero means something; upstream_rq_total of the
	// same cluster if unset and the delta may be zero.
	Traffic string `json:"traffic,omitempty"`
}

// Trace describes the shape of a trace. Unset fields are not compared.
type Trace struct {
	// Root is the service of the first span.
	Root string `json:"root,omitempty"`
	// Services are all that take part, sorted.
	Services []string `json:"services,omitempty"`
	// Spans is how many there are; each proxy and app that traces records its own.
	Spans int `json:"spans,omitempty"`
	// Depth is the longest way from the root, in spans.
	Depth int `json:"depth,omitempty"`
	// Tags that every span must have, with these values.
	Tags map[string]string `json:"tags,omitempty"`
	// Load whose requests are looked up; the first load if unset.
	Load string `json:"load,omitempty"`
	// Share in percent of the traces that must have the shape; 100 if unset.
	Share float64 `json:"share,omitempty"`
}

// Recovery is how soon a load is well again after the last fault ended.
type Recovery struct {
	// Load that must be well again.
	Load string `json:"load"`
	// Within is the time allowed.
	Within Duration `json:"within"`
	// Success bounds the share of answers below 500 from then to the end.
	Success Bound `json:"success"`
}

// Ejected is what outlier detection did.
type Ejected struct {
	// Proxy whose view counts: a Deployment or instance; istio-ingressgateway is the gateway.
	Proxy string `json:"proxy"`
	// To is the service.
	To string `json:"to"`
	// Port of the service, if it has several.
	Port uint32 `json:"port,omitempty"`
	// Workloads that must have been thrown out at some time of the phase: exactly these Deployments.
	Workloads []string `json:"workloads"`
	// Back asks that they are back at the phase's end.
	Back bool `json:"back,omitempty"`
}
