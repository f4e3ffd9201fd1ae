package config

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (r reporter) loadBalancer(in *networking.LoadBalancerSettings, path string) *model.LoadBalancer {
	if in == nil {
		return nil
	}
	out := &model.LoadBalancer{Locality: r.locality(in.LocalityLbSetting, path+".localityLbSetting"), Warmup: r.warmup(in, path)}
	switch p := in.LbPolicy.(type) {
	case *networking.LoadBalancerSettings_Simple:
		switch p.Simple {
		case networking.LoadBalancerSettings_UNSPECIFIED:
		case networking.LoadBalancerSettings_LEAST_CONN: //nolint:staticcheck // still in use
			out.Policy = model.LeastRequest
			r.warnf("DEPRECATED-FIELD", path+".simple", "LEAST_CONN is deprecated")
			r.hint("write LEAST_REQUEST")
		default:
			out.Policy = model.LBPolicy(p.Simple.String())
		}
	case *networking.LoadBalancerSettings_ConsistentHash:
		out.Policy, out.Hash = r.consistentHash(p.ConsistentHash, path+".consistentHash")
	}
	if out.Warmup != nil && out.Policy != "" && out.Policy != model.RoundRobin && out.Policy != model.LeastRequest {
		r.errorf("BAD-VALUE", path+".warmup", "a warm-up works with ROUND_ROBIN and LEAST_REQUEST only, not with %s", out.Policy)
	}
	return out
}

func (r reporter) consistentHash(in *networking.LoadBalancerSettings_ConsistentHashLB, path string) (model.LBPolicy, *model.HashPolicy) {
	out := &model.HashPolicy{}
	switch k := in.HashKey.(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpHeaderName:
		out.Header = k.HttpHeaderName
		r.headerName(k.HttpHeaderName, path+".httpHeaderName")
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpQueryParameterName:
		out.QueryParam = k.HttpQueryParameterName
		if out.QueryParam == "" {
			r.missing(path+".httpQueryParameterName", "consistentHash needs the parameter's name")
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_UseSourceIp:
		out.SourceIP = k.UseSourceIp
		if !k.UseSourceIp {
			r.errorf("MISSING-FIELD", path+".useSourceIp", "consistentHash has nothing to hash")
			r.hint("say useSourceIp: true")
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_HttpCookie:
		out.Cookie = &model.HashCookie{Name: k.HttpCookie.GetName(), Path: k.HttpCookie.GetPath()}
		if out.Cookie.Name == "" {
			r.missing(path+".httpCookie.name", "a cookie needs a name")
		}
		if ttl := k.HttpCookie.GetTtl(); ttl != nil {
			t := ttl.AsDuration()
			if t < 0 {
				r.errorf("BAD-DURATION", path+".httpCookie.ttl", "a cookie's ttl cannot be negative")
			}
			out.Cookie.TTL = &t
		}
	default:
		r.missing(path, "consistentHash needs one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName")
	}
	policy := model.RingHash
	out.MinimumRingSize = in.MinimumRingSize //nolint:staticcheck // still in use
	switch a := in.HashAlgorithm.(type) {
	case *networking.LoadBalancerSettings_ConsistentHashLB_RingHash_:
		if a.RingHash.GetMinimumRingSize() != 0 {
			out.MinimumRingSize = a.RingHash.GetMinimumRingSize()
		}
	case *networking.LoadBalancerSettings_ConsistentHashLB_Maglev:
		policy, out.MinimumRingSize, out.TableSize = model.Maglev, 0, a.Maglev.GetTableSize()
		if out.TableSize != 0 && (out.TableSize > maxTableSize || !prime(out.TableSize)) {
			r.errorf("BAD-VALUE", path+".maglev.tableSize", "the table's size must be a prime number of at most %d", maxTableSize)
			r.hint("leave it out for 65537")
		}
	}
	if out.MinimumRingSize > maxRingSize {
		r.errorf("OUT-OF-RANGE", path+".minimumRingSize", "a ring has at most %d entries", maxRingSize)
	}
	return policy, out
}

// Bounds that Envoy sets on its tables.
const (
	maxRingSize  = 8 << 20
	maxTableSize = 5000011
)

func prime(n uint64) bool {
	if n < 2 {
		return false
	}
	for i := uint64(2); i*i <= n; i++ {
		if n%i == 0 {
			return false
		}
	}
	return true
}

func (r reporter) warmup(in *networking.LoadBalancerSettings, path string) *model.Warmup {
	if w := in.Warmup; w != nil {
		p := path + ".warmup"
		if w.Duration == nil {
			r.missing(p+".duration", "a warm-up needs a duration")
		}
		if old := in.WarmupDurationSecs; old != nil { //nolint:staticcheck // still in use
			r.errorf("EXCLUSIVE-FIELDS", path+".warmupDurationSecs", `"warmup" and "warmupDurationSecs" exclude one another`)
		}
		out := &model.Warmup{Duration: r.duration(w.Duration, p+".duration", false), Aggression: w.Aggression.GetValue()}
		if w.MinimumPercent != nil {
			out.MinimumPercent = r.percent(w.MinimumPercent.Value, p+".minimumPercent")
		}
		if w.Aggression != nil && w.Aggression.Value < 1 {
			r.errorf("OUT-OF-RANGE", p+".aggression", "aggression is at least 1, not %v", w.Aggression.Value)
		}
		return out
	}
	if old := in.WarmupDurationSecs; old != nil { //nolint:staticcheck // still in use
		r.warnf("DEPRECATED-FIELD", path+".warmupDurationSecs", "warmupDurationSecs is deprecated")
		r.hint("write warmup: {duration: %s}", old.AsDuration())
		return &model.Warmup{Duration: r.duration(old, path+".warmupDurationSecs", false)}
	}
	return nil
}
