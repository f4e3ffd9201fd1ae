package config

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// mirrors converts both forms: the single mirror with its percentage beside it, and the list.
func (c *routes) mirrors(in *networking.HTTPRoute, path string) []*model.Mirror {
	if in.Mirror != nil && len(in.Mirrors) > 0 {
		c.errorf("EXCLUSIVE-FIELDS", path+".mirrors", `"mirror" and "mirrors" exclude one another`)
		return nil
	}
	if in.Mirror != nil {
		m := &model.Mirror{Percent: 100, Pos: c.pos(path + ".mirror")}
		m.Host, m.Subset, m.Port = c.target(in.Mirror, path+".mirror")
		switch old := in.MirrorPercent; { //nolint:staticcheck // still in use
		case in.MirrorPercentage != nil:
			m.Percent = c.percent(in.MirrorPercentage.Value, path+".mirrorPercentage")
		case old != nil:
			m.Percent = c.percent(float64(old.Value), path+".mirrorPercent")
			c.warnf("DEPRECATED-FIELD", path+".mirrorPercent", "mirrorPercent is deprecated")
			c.hint("write mirrorPercentage: {value: %d}", old.Value)
		}
		return []*model.Mirror{m}
	}
	if in.MirrorPercentage != nil {
		c.errorf("MISSING-FIELD", path+".mirrorPercentage", "mirrorPercentage needs a mirror")
	}
	var out []*model.Mirror
	for i, e := range in.Mirrors {
		p := at(path+".mirrors", i)
		m := &model.Mirror{Percent: 100, Pos: c.pos(p)}
		if e.Destination == nil {
			c.missing(p+".destination", "a mirror needs a destination")
			continue
		}
		m.Host, m.Subset, m.Port = c.target(e.Destination, p+".destination")
		if e.Percentage != nil {
			m.Percent = c.percent(e.Percentage.Value, p+".percentage")
		}
		out = append(out, m)
	}
	return out
}
