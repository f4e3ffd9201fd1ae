package sim

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/quota"
)

// quotas are what a proxy counts, or has counted by the mesh. Source: Envoy's filters local_ratelimit and ratelimit, as squall configures them.
type quotas struct {
	// local are counted by the proxy: of those that match the slowest is asked first. global are counted by the mesh.
	local, global []countedLimit
	// closed refuses requests while the mesh does not answer.
	closed  bool
	buckets map[string]*bucket
}

// countedLimit is a limit with its name in the mesh.
type countedLimit struct {
	*model.QuotaLimit
	key string
}

// count reads a proxy's quotas. Envoy begins its own counts anew when their configuration changes.
func (p *proxy) count() {
	w := p.workload
	now := quotas{}
	for _, q := range p.mesh.snap.Quotas(w.Namespace, w.Labels) {
		for _, l := range q.Limits {
			one := countedLimit{l, q.LimitKey(l)}
			if l.Global {
				now.global = append(now.global, one)
				now.closed = now.closed || !q.FailOpen
				continue
			}
			now.local = append(now.local, one)
		}
	}
	slices.SortStableFunc(now.local, func(a, b countedLimit) int { return int(perSecond(a.Rate)) - int(perSecond(b.Rate)) })
	if sameLimits(now.local, p.quotas.local) {
		now.buckets = p.quotas.buckets
	}
	p.quotas = now
}

func perSecond(q model.Quota) float64 { return float64(q.Requests) / q.Unit.Seconds() }

// sameLimits compares limits without the places where they are written.
func sameLimits(a, b []countedLimit) bool {
	return slices.EqualFunc(a, b, func(x, y countedLimit) bool {
		l := *x.QuotaLimit
		l.Pos = y.Pos
		return x.key == y.key && reflect.DeepEqual(&l, y.QuotaLimit)
	})
}

// within counts a stream. It reports false where it has answered.
func (m *Mesh) within(s *stream) bool {
	p := s.proxy
	if len(p.quotas.local)+len(p.quotas.global) == 0 || !s.inbound && p.kind != model.Router {
		return true
	}
	if !p.takeLocal(s) {
		s.flags |= flagRL
		m.localReply(s, m.localAnswer(429, "local_rate_limited"), "local_rate_limited")
		return false
	}
	if s.cluster == nil { // nobody is asked where there is nowhere to go
		return true
	}
	switch allowed, err := p.takeGlobal(s); {
	case err != nil && p.quotas.closed:
		s.flags |= flagRLSE
		m.localReply(s, m.answers.of(Answer{Status: 500}), "rate_limiter_error")
		return false
	case err == nil && !allowed:
		s.flags |= flagRL
		m.localReply(s, m.answers.of(Answer{Status: 429, Headers: []model.Header{{Name: "x-envoy-ratelimited", Value: "true"}}}), "request_rate_limited")
		return false
	}
	return true
}

// takeLocal takes a token from each bucket that counts a stream, until one is empty.
func (p *proxy) takeLocal(s *stream) bool {
	x := p.mesh.message(s.message)
	for _, l := range p.quotas.local {
		if !counts(l.Match, x) {
			continue
		}
		key := l.keyOf(s, x)
		b := p.quotas.buckets[key]
		if b == nil {
			if p.quotas.buckets == nil {
				p.quotas.buckets = map[string]*bucket{}
			}
			b = newBucket(l.Rate, p.mesh.Now())
			p.quotas.buckets[key] = b
		}
		if !b.take(p.mesh.Now()) {
			return false
		}
	}
	return true
}

// bucket is one of Envoy's, which fills steadily.
type bucket struct {
	// rate in tokens per nanosecond.
	tokens, most, rate float64
	at                 time.Duration
}

func newBucket(q model.Quota, now time.Duration) *bucket {
	most := q.Burst
	if most == 0 {
		most = q.Requests
	}
	return &bucket{tokens: float64(most), most: float64(most), rate: float64(q.Requests) / float64(q.Unit), at: now}
}

func (b *bucket) take(now time.Duration) bool {
	b.tokens = min(b.most, b.tokens+float64(now-b.at)*b.rate)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// errNobodyCounts is that the control plane, which counts, is down.
var errNobodyCounts = errors.New("nobody counts")

// takeGlobal asks the mesh. The error is that it does not answer.
func (p *proxy) takeGlobal(s *stream) (allowed bool, err error) {
	m := p.mesh
	x := m.message(s.message)
	var hits []quota.Hit
	for _, l := range p.quotas.global {
		if counts(l.Match, x) {
			hits = append(hits, quota.Hit{Key: l.keyOf(s, x), Limit: m.limits[l.key], N: 1})
		}
	}
	switch {
	case len(hits) == 0:
		return true, nil
	case m.counting == nil:
		return false, errNobodyCounts
	}
	decisions, err := m.counting.Count(hits)
	return err == nil && !slices.ContainsFunc(decisions, func(d quota.Decision) bool { return !d.Allowed }), err
}

// CountQuotas begins or ends the counting of quotas by the mesh. Who begins has counted nothing.
func (m *Mesh) CountQuotas(on bool) {
	m.counting = nil
	if on {
		m.counting = quota.NewMemory(func() time.Time { return m.opts.Epoch.Add(m.Now()) }, 0)
	}
}

// knowLimits has the mesh count by the limits of its snapshot.
func (m *Mesh) knowLimits() {
	before := m.limits
	m.limits = quota.Limits(m.snap)
	if m.counting == nil {
		return
	}
	for _, beginning := range quota.Changed(before, m.limits) {
		m.counting.Drop(beginning)
	}
}

// counts tells whether a limit counts a message.
func counts(q model.QuotaMatch, x *Message) bool {
	either := func(values []string, text string, matches func(glob, text string) bool) bool {
		return len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return matches(v, text) })
	}
	if !either(q.Hosts, strings.ToLower(x.Authority), func(v, t string) bool { return globbed(strings.ToLower(v), t) }) ||
		!either(q.Methods, x.Method, globbed) || !either(q.Paths, bare(x.Path), globbed) {
		return false
	}
	for _, h := range q.Headers {
		if v, there := joined(x, h.Name); !there || !globbed(h.Value, v) {
			return false
		}
	}
	return true
}

// globbed matches "exact", "prefix*", "*suffix" and "*", which is anything but nothing.
func globbed(glob, text string) bool {
	switch {
	case glob == "*":
		return text != ""
	case strings.HasPrefix(glob, "*"):
		return strings.HasSuffix(text, glob[1:])
	case strings.HasSuffix(glob, "*"):
		return strings.HasPrefix(text, glob[:len(glob)-1])
	}
	return text == glob
}

// joined are a header's values in one, as Envoy gives them.
func joined(x *Message, name string) (value string, there bool) {
	var all []string
	for _, h := range x.Headers {
		if strings.EqualFold(h.Name, name) {
			all = append(all, h.Value)
		}
	}
	return strings.Join(all, ","), len(all) > 0
}

// absent stands for what a request does not have, which so has a count of its own.
const absent = "-"

// keyOf names the count for a stream.
func (l countedLimit) keyOf(s *stream, x *Message) string {
	entries := []quota.Entry{{Key: quota.NameKey, Value: l.key}}
	for _, by := range l.By {
		value := absent
		switch name, argument, _ := strings.Cut(strings.TrimSuffix(by, "]"), "["); name {
		case "request.headers":
			if v, there := joined(x, argument); there {
				value = v
			}
		case "request.host":
			value = x.Authority
		case "request.method":
			value = x.Method
		case "request.path":
			value = bare(x.Path)
		case "source.principal":
			if c := s.caller(); c != "" {
				value = c
			}
		default:
			panic("sim: a quota by what Unmodelled lists: " + by)
		}
		entries = append(entries, quota.Entry{Key: by, Value: value})
	}
	return quota.Key(entries...)
}

// quotas finds limits that are kept by what callers have on a machine, and not in the model.
func (g *gaps) quotas(s model.Snapshot) {
	for _, q := range s.QuotaPolicies.All() {
		for _, l := range q.Limits {
			at := l.Pos
			if at == (diag.Pos{}) {
				at = q.Pos
			}
			for _, by := range l.By {
				name, argument, _ := strings.Cut(strings.TrimSuffix(by, "]"), "[")
				g.when(name == "remote.ip" || strings.HasPrefix(name, "request.auth."), at, "a quota by %s", by)
				g.when(name == "request.headers" && isUnseen(argument), at, "a quota by the header %s", argument)
			}
			for _, h := range l.Match.Headers {
				g.when(isUnseen(h.Name), at, "a quota of requests with the header %s", h.Name)
			}
		}
	}
}
