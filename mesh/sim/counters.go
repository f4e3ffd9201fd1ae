package sim

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// counter is one of Envoy's counters of a cluster.
type counter uint8

const (
	rqTotal counter = iota // the two that every request needs come first
	rqCompleted
	cxTotal
	cxConnectFail
	cxOverflow
	sslFailVerifySAN
	cxNoneHealthy
	rqPendingTotal
	rqPendingOverflow
	rqPendingFailureEject
	rqActiveOverflow
	rqCancelled
	rqTimeout
	rqPerTryTimeout
	rqRetry
	rqRetrySuccess
	rqRetryLimitExceeded
	rqRetryOverflow
	rqRetryBackoff
	lbHealthyPanic
	ejectionsTotal
	ejectionsEnforced
	ejectionsEnforced5xx
	ejectionsEnforcedGateway
	ejectionsDetected5xx
	ejectionsDetectedGateway
	ejections5xx
	ejectionsOverflow
	counters
)

// names of the counters; those of outlier detection are there only where it is on.
var counterNames = [counters]string{
	cxTotal: "upstream_cx_total", cxConnectFail: "upstream_cx_connect_fail", cxOverflow: "upstream_cx_overflow",
	sslFailVerifySAN: "ssl.fail_verify_san",
	cxNoneHealthy:    "upstream_cx_none_healthy",
	rqTotal:          "upstream_rq_total", rqCompleted: "upstream_rq_completed",
	rqPendingTotal: "upstream_rq_pending_total", rqPendingOverflow: "upstream_rq_pending_overflow",
	rqPendingFailureEject: "upstream_rq_pending_failure_eject", rqActiveOverflow: "upstream_rq_active_overflow",
	rqCancelled: "upstream_rq_cancelled",
	rqTimeout:   "upstream_rq_timeout", rqPerTryTimeout: "upstream_rq_per_try_timeout",
	rqRetry: "upstream_rq_retry", rqRetrySuccess: "upstream_rq_retry_success",
	rqRetryLimitExceeded: "upstream_rq_retry_limit_exceeded", rqRetryOverflow: "upstream_rq_retry_overflow",
	rqRetryBackoff: "upstream_rq_retry_backoff_exponential", lbHealthyPanic: "lb_healthy_panic",
	ejectionsTotal:    "outlier_detection.ejections_total",
	ejectionsEnforced: "outlier_detection.ejections_enforced_total", ejectionsEnforced5xx: "outlier_detection.ejections_enforced_consecutive_5xx",
	ejectionsEnforcedGateway: "outlier_detection.ejections_enforced_consecutive_gateway_failure",
	ejectionsDetected5xx:     "outlier_detection.ejections_detected_consecutive_5xx",
	ejectionsDetectedGateway: "outlier_detection.ejections_detected_consecutive_gateway_failure",
	ejections5xx:             "outlier_detection.ejections_consecutive_5xx", ejectionsOverflow: "outlier_detection.ejections_overflow",
}

// clusterStats are what a cluster counts.
type clusterStats struct {
	// codes are answers to callers, retried those that were not passed on, by status.
	codes   statuses // with n's first two in one place
	n       [counters]uint64
	retried statuses
}

// statuses counts answers by status. The first one that comes is mostly the only one.
type statuses struct {
	first statusCount
	more  []statusCount
}

type statusCount struct {
	status int
	n      uint64
}

func (l *statuses) add(status int) {
	if l.first.n == 0 || l.first.status == status {
		l.first.status = status
		l.first.n++
		return
	}
	for i := range l.more {
		if l.more[i].status == status {
			l.more[i].n++
			return
		}
	}
	l.more = append(l.more, statusCount{status, 1})
}

func (l *statuses) all() []statusCount {
	if l.first.n == 0 {
		return nil
	}
	return append([]statusCount{l.first}, l.more...)
}

func (s *clusterStats) inc(c counter) { s.n[c]++ }

func (s *clusterStats) code(status int) {
	s.n[rqCompleted]++
	s.codes.add(status)
}

func (s *clusterStats) discarded(status int) { s.retried.add(status) }

// httpStats are what a connection manager counts.
type httpStats struct {
	total, completed uint64
	classes          [6]uint64
	aborts, delays   uint64
}

func (h *httpStats) done(status int) {
	h.completed++
	h.classes[min(max(0, status/100), 5)]++
}

// http are the counters of the connection manager that took a stream.
func (s *stream) http() *httpStats {
	p := s.proxy
	if s.inbound {
		return &p.inboundStats
	}
	return &p.outboundStats
}

// outboundPrefix names the connection manager of a gateway, or of the listener at which an app asks its sidecar.
func (p *proxy) outboundPrefix() string {
	if p.kind == model.Router {
		return "outbound_0.0.0.0_8080"
	}
	return "outbound_http_proxy"
}

// KnowsCounter tells whether the model counts what Envoy counts under a name.
func KnowsCounter(name string) bool {
	if rest, ok := strings.CutPrefix(name, "cluster."); ok {
		i := strings.LastIndex(rest, ";.")
		if i < 0 {
			return false
		}
		short := rest[i+2:]
		if slices.Contains(counterNames[:], short) {
			return true
		}
		short = strings.TrimPrefix(short, "retry.")
		class, ok := strings.CutPrefix(short, "upstream_rq_")
		return ok && (len(class) == 3 && strings.HasSuffix(class, "xx") || isStatus(class))
	}
	if rbacName.MatchString(name) {
		return true
	}
	return strings.HasPrefix(name, "http.outbound_0.0.0.0_8080;.") && (strings.HasSuffix(name, ".downstream_rq_total") ||
		strings.HasSuffix(name, ".fault.aborts_injected") || strings.HasSuffix(name, ".fault.delays_injected")) ||
		strings.HasPrefix(name, "http.outbound_http_proxy;.") && (strings.HasSuffix(name, ".downstream_rq_total") ||
			strings.HasSuffix(name, ".fault.aborts_injected") || strings.HasSuffix(name, ".fault.delays_injected"))
}

var rbacName = regexp.MustCompile(`^http\.(inbound_0\.0\.0\.0_\d+|outbound_0\.0\.0\.0_8080);\.rbac\.(allowed|denied|istio_dry_run_(audit|deny|allow)_\.shadow_(allowed|denied))$`)

func isStatus(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 100 && n < 600
}

// Counters gives what a proxy has counted, under Envoy's names: all clusters that it has, also those that nobody called. false where its
// process is gone.
func (m *Mesh) Counters(id string) (map[string]uint64, bool) {
	p := m.byID[id]
	if p == nil || p.down || p.gone {
		return nil, false
	}
	out := map[string]uint64{}
	for name, svc := range m.snap.Services.All() {
		if !svc.VisibleFrom(p.workload.Namespace) {
			continue
		}
		rule := m.snap.DestinationRule(name, p.workload.Namespace)
		subsets := []string{""}
		if rule != nil {
			for _, s := range rule.Subsets {
				subsets = append(subsets, s.Name)
			}
		}
		for _, port := range svc.Ports {
			for _, subset := range subsets {
				cluster := clusterName(port.Number, subset, name)
				stats := p.stats[cluster]
				if stats == nil {
					stats = &clusterStats{}
				}
				stats.write(out, cluster, rule.For(subset, port.Number).Outlier != nil)
			}
		}
	}
	for _, c := range p.order {
		if c.at.host == "" {
			c.stats.write(out, c.name, false)
		}
	}
	p.writeRBAC(out)
	at, h := "http."+p.outboundPrefix()+";.", p.outboundStats
	out[at+"downstream_rq_total"], out[at+"fault.aborts_injected"], out[at+"fault.delays_injected"] = h.total, h.aborts, h.delays
	return out, true
}

func (s *clusterStats) write(out map[string]uint64, cluster string, outlier bool) {
	at := "cluster." + cluster + ";."
	for i, name := range counterNames {
		if outlier || counter(i) < ejectionsTotal {
			out[at+name] = s.n[i]
		}
	}
	for _, c := range s.codes.all() {
		out[at+"upstream_rq_"+strconv.Itoa(c.status)] += c.n
		out[at+"upstream_rq_"+strconv.Itoa(c.status/100)+"xx"] += c.n
	}
	for _, c := range s.retried.all() {
		out[at+"retry.upstream_rq_"+strconv.Itoa(c.status)] += c.n
		out[at+"retry.upstream_rq_"+strconv.Itoa(c.status/100)+"xx"] += c.n
	}
}
