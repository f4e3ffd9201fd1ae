package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/model"
)

// quotaDocument is a QuotaPolicy as people write it. Istio's API has nothing of the kind; names are those of its AuthorizationPolicy and of the
// rate limit service's configuration.
type quotaDocument struct {
	Spec struct {
		Selector *struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		FailOpen        bool         `json:"failOpen"`
		ResponseHeaders bool         `json:"responseHeaders"`
		Limits          []quotaLimit `json:"limits"`
	} `json:"spec"`
}

type quotaLimit struct {
	Name  string `json:"name"`
	Match struct {
		Hosts   []string          `json:"hosts"`
		Methods []string          `json:"methods"`
		Paths   []string          `json:"paths"`
		Headers map[string]string `json:"headers"`
	} `json:"match"`
	By     []string     `json:"by"`
	Local  *quotaBucket `json:"local"`
	Global *quotaBucket `json:"global"`
}

type quotaBucket struct {
	Requests  uint32 `json:"requests"`
	Unit      string `json:"unit"`
	Burst     uint32 `json:"burst"`
	Algorithm string `json:"algorithm"`
}

// quotaUnits are those of the rate limit service's API.
var quotaUnits = map[string]time.Duration{"SECOND": time.Second, "MINUTE": time.Minute, "HOUR": time.Hour, "DAY": 24 * time.Hour}

// mostBurst bounds bursts, in units' worth of requests.
const mostBurst = 1000

func (b *build) quotaPolicy(doc *Document) *model.QuotaPolicy {
	in := &doc.object.(*quotaDocument).Spec
	r := b.reporter(doc)
	out := &model.QuotaPolicy{Name: doc.Name, Namespace: doc.Namespace, FailOpen: in.FailOpen, ResponseHeaders: in.ResponseHeaders, Pos: doc.Pos}
	if in.Selector != nil {
		out.Selector = copyLabels(in.Selector.MatchLabels)
	}
	if len(in.Limits) == 0 {
		r.missing("spec.limits", "a QuotaPolicy needs limits")
	}
	names := map[string]bool{}
	for i, l := range in.Limits {
		path := at("spec.limits", i)
		switch {
		case l.Name == "":
			r.missing(path+".name", "a limit needs a name, by which counters and messages know it")
		case names[l.Name]:
			r.errorf("DUPLICATE-NAME", path+".name", "two limits are named %q", shorten(l.Name))
		}
		names[l.Name] = true
		out.Limits = append(out.Limits, r.quotaLimit(l, path))
	}
	return out
}

func (r reporter) quotaLimit(in quotaLimit, path string) *model.QuotaLimit {
	out := &model.QuotaLimit{Name: in.Name, By: slices.Clone(in.By), Pos: r.pos(path)}
	list := func(values []string, name string, checks ...func(v, path string)) []string {
		return r.values(values, nil, path+".match", name, checks...).In
	}
	out.Match.Hosts, out.Match.Methods = list(in.Match.Hosts, "hosts"), list(in.Match.Methods, "methods")
	out.Match.Paths = list(in.Match.Paths, "paths", r.pathPattern)
	for _, name := range slices.Sorted(maps.Keys(in.Match.Headers)) {
		p := joinPath(path+".match.headers", name)
		r.headerName(name, p)
		if in.Match.Headers[name] == "" {
			r.errorf("BAD-VALUE", p, "an empty value matches nothing")
			r.hint(`"*" is any value`)
		}
		out.Match.Headers = append(out.Match.Headers, model.QuotaHeader{Name: name, Value: in.Match.Headers[name]})
	}
	for i, key := range in.By {
		r.quotaKey(key, at(path+".by", i))
	}
	switch {
	case in.Local != nil && in.Global != nil:
		r.errorf("EXCLUSIVE-FIELDS", path+".global", "local and global exclude one another")
		r.hint("write two limits")
	case in.Local != nil:
		out.Rate = r.quota(in.Local, path+".local")
		if in.Local.Algorithm != "" {
			r.errorf("UNSUPPORTED-FIELD", path+".local.algorithm", "a local limit is a token bucket")
			r.hint("delete the field, or make the limit global")
		}
	case in.Global != nil:
		out.Global = true
		out.Rate = r.quota(in.Global, path+".global")
		switch in.Global.Algorithm {
		case "", "FIXED_WINDOW":
			out.Rate.Window = true
			if in.Global.Burst != 0 {
				r.errorf("EXCLUSIVE-FIELDS", path+".global.burst", "a fixed window has no burst")
				r.hint("algorithm: GCRA has one")
			}
		case "GCRA":
		default:
			r.errorf("BAD-ENUM", path+".global.algorithm", "there is no algorithm %q", shorten(in.Global.Algorithm))
			r.hint("%s", DidYouMean(in.Global.Algorithm, []string{"FIXED_WINDOW", "GCRA"}))
		}
	default:
		r.missing(path, "a limit needs a number: local or global")
		r.hint("local: {requests: 5, unit: MINUTE}")
	}
	return out
}

func (r reporter) quota(in *quotaBucket, path string) model.Quota {
	out := model.Quota{Requests: in.Requests, Burst: in.Burst, Unit: quotaUnits[in.Unit]}
	if in.Requests == 0 {
		r.missing(path+".requests", "how many requests? At least 1")
		r.hint("to let none pass, write an AuthorizationPolicy with action: DENY")
	}
	if uint64(in.Burst) > mostBurst*uint64(in.Requests) {
		r.errorf("OUT-OF-RANGE", path+".burst", "a burst is at most %d times the requests", mostBurst)
	}
	switch {
	case in.Unit == "":
		r.missing(path+".unit", "requests in which unit of time?")
		r.hint("one of SECOND, MINUTE, HOUR, DAY")
	case out.Unit == 0:
		r.errorf("BAD-ENUM", path+".unit", "there is no unit %q", shorten(in.Unit))
		r.hint("one of SECOND, MINUTE, HOUR, DAY")
	}
	return out
}

// quotaKeys are the attributes that limits may be kept by. Those with true have an argument in brackets.
var quotaKeys = map[string]bool{
	"request.headers": true, "request.auth.claims": true, "request.auth.principal": false, "request.host": false, "request.method": false,
	"request.path": false, "remote.ip": false, "source.principal": false,
}

func (r reporter) quotaKey(key, path string) {
	name, argument := key, ""
	if m := conditionKey.FindStringSubmatch(key); m != nil {
		name, argument = m[1], m[2]
	}
	wants, known := quotaKeys[name]
	if !known || wants != (argument != "") || name == "request.headers" && strings.Count(argument, "[") > 1 {
		r.errorf("BAD-VALUE", path, "%q is nothing that a limit is kept by", shorten(key))
		var names []string
		for n, wants := range quotaKeys {
			if wants {
				n += "[name]"
			}
			names = append(names, n)
		}
		slices.Sort(names)
		r.hint("%s", DidYouMean(key, names))
		return
	}
	if name == "request.headers" {
		r.headerName(strings.Trim(argument, "[]"), path)
	}
}

func (b *build) quotaPolicies() {
	want := map[string]*model.QuotaPolicy{}
	for _, doc := range b.set.ofKind(kindQuotaPolicy) {
		b.of(doc, func() {
			q := b.quotaPolicy(doc)
			want[q.Key()] = q
		})
	}
	b.snap = settleRules(b.snap, b.snap.QuotaPolicies, want, model.Snapshot.WithQuotaPolicy, model.Snapshot.WithoutQuotaPolicy)
}
