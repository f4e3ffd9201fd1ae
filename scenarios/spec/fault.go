package spec

import (
	"slices"
	"time"
)

// Fault is what is broken: exactly one of its kinds.
type Fault struct {
	// Delay holds calls to a service, on the caller's side.
	Delay *HTTPFault `json:"delay,omitempty"`
	// Abort answers calls to a service, on the caller's side.
	Abort *HTTPFault `json:"abort,omitempty"`
	// Kill ends a workload's processes with SIGKILL and starts them again at the end.
	Kill *Process `json:"kill,omitempty"`
	// Pause stops a workload's processes with SIGSTOP and lets them go on at the end.
	Pause *Process `json:"pause,omitempty"`
	// ControlPlane stops the control plane and starts it again at the end.
	ControlPlane string `json:"controlPlane,omitempty"`
	// Latency makes each round trip between two workloads take longer.
	Latency *Network `json:"latency,omitempty"`
	// Bandwidth limits each connection between two workloads, in both directions.
	Bandwidth *Network `json:"bandwidth,omitempty"`
	// Stall lets no byte pass between two workloads; what was sent arrives when it ends.
	Stall *Network `json:"stall,omitempty"`
	// Reset ends open connections between two workloads with an RST, and new ones too.
	Reset *Network `json:"reset,omitempty"`
	// Partition drops every packet between two workloads, as a cut cable does: connections time out. On pods alone.
	Partition *Network `json:"partition,omitempty"`
	// Loss drops a share of the packets between two workloads. On pods alone.
	Loss *Network `json:"loss,omitempty"`
	// DNS makes every question of the pods for a name fail (SERVFAIL). On pods alone.
	DNS string `json:"dns,omitempty"`
}

// HTTPFault is a delay or an abort of calls to a service.
type HTTPFault struct {
	// To is the service: ratings.
	To string `json:"to"`
	// From picks the callers by workload label app; all if unset, gateways included.
	From string `json:"from,omitempty"`
	// Headers that a request must have, with these values.
	Headers map[string]string `json:"headers,omitempty"`
	// Fixed time of a delay.
	Fixed Duration `json:"fixed,omitempty"`
	// Status of an abort.
	Status uint32 `json:"status,omitempty"`
	// GRPCStatus of an abort.
	GRPCStatus *uint32 `json:"grpcStatus,omitempty"`
	// Percent of the calls; 100 if unset.
	Percent *float64 `json:"percent,omitempty"`
}

// Network is a fault of the network between workloads. Their connections pass a relay from the mesh's start, except for those that
// lose packets.
type Network struct {
	// From is who calls: a Deployment, an instance or a value of the label app; a gateway is istio-ingressgateway. Everybody if unset.
	From string `json:"from,omitempty"`
	// To is who is called, likewise.
	To string `json:"to"`
	// Fixed time that a latency adds, at least 1ms.
	Fixed Duration `json:"fixed,omitempty"`
	// Jitter varies a latency by as much up and down.
	Jitter Duration `json:"jitter,omitempty"`
	// Rate of a bandwidth: 64kB/s; at least 1kB/s.
	Rate ByteRate `json:"rate,omitempty"`
	// Percent of the packets that a loss drops, each way, by chance.
	Percent *float64 `json:"percent,omitempty"`
}

// Process names processes of a workload.
type Process struct {
	// Workload is a Deployment or one instance of it.
	Workload string `json:"workload"`
	// Target is app (default), sidecar or both.
	Target string `json:"target,omitempty"`
}

func (c *checker) fault(at string, f *Fault) {
	if n := f.kinds(); n != 1 {
		c.errorf("BAD-FAULT", at, "a fault is one of delay, abort, kill, pause, controlPlane, latency, bandwidth, stall, reset, partition, loss and dns; this is %d of them", n)
	}
	c.httpFault(at, f)
	c.network(at, f)
	if f.Kill != nil {
		c.process(at+".kill", f.Kill)
	}
	if f.Pause != nil {
		c.process(at+".pause", f.Pause)
	}
	if f.ControlPlane != "" && f.ControlPlane != "stop" {
		c.errorf("BAD-VALUE", at+".controlPlane", "the control plane can be told: stop")
	}
	if f.DNS != "" && f.DNS != "fail" {
		c.errorf("BAD-VALUE", at+".dns", "names can be told: fail")
	}
}

func (f *Fault) kinds() int {
	n := 0
	for _, set := range []bool{
		f.Delay != nil, f.Abort != nil, f.Kill != nil, f.Pause != nil, f.ControlPlane != "",
		f.Latency != nil, f.Bandwidth != nil, f.Stall != nil, f.Reset != nil, f.Partition != nil, f.Loss != nil, f.DNS != "",
	} {
		if set {
			n++
		}
	}
	return n
}

func (c *checker) httpFault(at string, f *Fault) {
	if d := f.Delay; d != nil {
		if d.To == "" {
			c.errorf("MISSING-FIELD", at+".delay.to", "which service is slow? say to: ratings")
		}
		if d.Fixed <= 0 {
			c.errorf("MISSING-FIELD", at+".delay.fixed", "a delay needs a fixed time")
		}
		if d.Status != 0 || d.GRPCStatus != nil {
			c.errorf("BAD-FAULT", at+".delay", "a delay has no status; add an abort")
		}
		c.percent(at+".delay.percent", d.Percent)
	}
	if a := f.Abort; a != nil {
		if a.To == "" {
			c.errorf("MISSING-FIELD", at+".abort.to", "which service fails? say to: ratings")
		}
		if (a.Status == 0) == (a.GRPCStatus == nil) {
			c.errorf("BAD-FAULT", at+".abort", "an abort has a status or a grpcStatus")
		}
		if a.Status != 0 && (a.Status < 200 || a.Status > 599) {
			c.errorf("BAD-VALUE", at+".abort.status", "a status lies between 200 and 599")
		}
		if a.Fixed != 0 {
			c.errorf("BAD-FAULT", at+".abort", "an abort has no fixed time; add a delay")
		}
		c.percent(at+".abort.percent", a.Percent)
	}
}

// NetworkKind gives the network fault, or nil, and its kind.
func (f *Fault) NetworkKind() (kind string, n *Network) {
	switch {
	case f == nil:
	case f.Latency != nil:
		return "latency", f.Latency
	case f.Bandwidth != nil:
		return "bandwidth", f.Bandwidth
	case f.Stall != nil:
		return "stall", f.Stall
	case f.Reset != nil:
		return "reset", f.Reset
	case f.Partition != nil:
		return "partition", f.Partition
	case f.Loss != nil:
		return "loss", f.Loss
	}
	return "", nil
}

// NeedsPods gives the kind of a fault that only a network of pods can have, or "".
func (f *Fault) NeedsPods() string {
	switch {
	case f == nil:
	case f.Partition != nil:
		return "partition"
	case f.Loss != nil:
		return "loss"
	case f.DNS != "":
		return "dns"
	}
	return ""
}

func (c *checker) network(at string, f *Fault) {
	kind, n := f.NetworkKind()
	if n == nil {
		return
	}
	at += "." + kind
	if n.To == "" {
		c.errorf("MISSING-FIELD", at+".to", "between whom? say from: reviews and to: ratings")
	}
	if kind == "latency" && n.Fixed.D() < time.Millisecond {
		c.errorf("MISSING-FIELD", at+".fixed", "a latency needs a fixed time of at least 1ms")
	}
	if n.Jitter > n.Fixed {
		c.errorf("BAD-VALUE", at+".jitter", "the jitter must not be more than the fixed time")
	}
	if kind != "latency" && n.Fixed+n.Jitter != 0 {
		c.errorf("BAD-FAULT", at, "a %s has no fixed time and no jitter; add a latency", kind)
	}
	if kind == "bandwidth" && n.Rate < minRate {
		c.errorf("MISSING-FIELD", at+".rate", "a bandwidth needs a rate of at least 1kB/s")
	}
	if kind != "bandwidth" && n.Rate != 0 {
		c.errorf("BAD-FAULT", at, "a %s has no rate; add a bandwidth", kind)
	}
	switch {
	case kind != "loss" && n.Percent != nil:
		c.errorf("BAD-FAULT", at, "a %s has no percent; add a loss", kind)
	case kind == "loss" && n.Percent == nil:
		c.errorf("MISSING-FIELD", at+".percent", "how many packets get lost? say percent: 5")
	case kind == "loss" && (*n.Percent <= 0 || *n.Percent > 100):
		c.errorf("BAD-VALUE", at+".percent", "a loss lies above 0 and at 100 per cent at most")
	}
}

func (c *checker) process(at string, p *Process) {
	if p.Workload == "" {
		c.errorf("MISSING-FIELD", at+".workload", "which workload?")
	}
	if !slices.Contains([]string{"", "app", "sidecar", "both"}, p.Target) {
		c.errorf("BAD-VALUE", at+".target", "the target is app, sidecar or both")
	}
}

func (c *checker) percent(at string, p *float64) {
	if p != nil && (*p < 0 || *p > 100) {
		c.errorf("BAD-VALUE", at, "a percentage lies between 0 and 100")
	}
}
