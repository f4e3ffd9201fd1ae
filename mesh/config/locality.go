package config

import (
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (r reporter) locality(in *networking.LocalityLoadBalancerSetting, path string) *model.LocalityLB {
	if in == nil {
		return nil
	}
	out := &model.LocalityLB{
		Disabled: in.Enabled != nil && !in.Enabled.Value, FailoverPriority: slices.Clone(in.FailoverPriority),
	}
	if len(in.Distribute) > 0 && (len(in.Failover) > 0 || len(in.FailoverPriority) > 0) {
		other := "failover"
		if len(in.Failover) == 0 {
			other = "failoverPriority"
		}
		r.errorf("EXCLUSIVE-FIELDS", path+"."+other, `"distribute" and %q exclude one another`, other)
	}
	from := map[string]bool{}
	for i, d := range in.Distribute {
		p := at(path+".distribute", i)
		r.localityName(d.From, p+".from")
		if from[d.From] {
			r.errorf("DUPLICATE-NAME", p+".from", "the locality %q is distributed twice", d.From)
		}
		from[d.From] = true
		out.Distribute = append(out.Distribute, model.Distribute{From: d.From, To: r.distribution(d.To, p+".to")})
	}
	for i, f := range in.Failover {
		p := at(path+".failover", i)
		r.region(f.From, p+".from")
		r.region(f.To, p+".to")
		if f.From != "" && f.From == f.To {
			r.errorf("BAD-VALUE", p+".to", "the region %q fails over to itself", f.To)
		}
		out.Failover = append(out.Failover, model.Failover{From: f.From, To: f.To})
	}
	return out
}

func (r reporter) distribution(to map[string]uint32, path string) []model.LocalityWeight {
	var out []model.LocalityWeight
	sum := uint64(0)
	for _, name := range slices.Sorted(maps.Keys(to)) {
		p := joinPath(path, name)
		r.localityName(name, p)
		if to[name] == 0 || to[name] > 100 {
			r.errorf("WEIGHT-SUM", p, "a locality's weight lies between 1 and 100, not at %d", to[name])
		}
		sum += uint64(to[name])
		out = append(out, model.LocalityWeight{Locality: name, Weight: to[name]})
	}
	if sum != 100 && !r.doc.damaged(path) {
		r.errorf("WEIGHT-SUM", path, "the weights of the localities sum to %d instead of 100", sum)
	}
	return out
}

// localityName checks region, region/zone or region/zone/subzone, the last part of which may be a star.
func (r reporter) localityName(s, path string) {
	parts := strings.Split(s, "/")
	ok := len(parts) <= 3
	for i, p := range parts {
		ok = ok && p != "" && (!strings.Contains(p, "*") || p == "*" && i == len(parts)-1)
	}
	if !ok && !r.doc.damaged(path) {
		r.errorf("BAD-LOCALITY", path, "%q is no locality", shorten(s))
		r.hint("write region/zone/subzone, region/zone/* or region/*")
	}
}

func (r reporter) region(s, path string) {
	if s == "" {
		r.missing(path, "failover needs a region")
	} else if strings.ContainsAny(s, "/*") {
		r.errorf("BAD-LOCALITY", path, "failover is between regions; %q is none", shorten(s))
	}
}
