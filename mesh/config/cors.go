package config

import (
	"slices"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (c *routes) cors(in *networking.CorsPolicy, path string) *model.CORS {
	if in == nil {
		return nil
	}
	out := &model.CORS{
		AllowMethods:  slices.Clone(in.AllowMethods),
		AllowHeaders:  slices.Clone(in.AllowHeaders),
		ExposeHeaders: slices.Clone(in.ExposeHeaders),
		MaxAge:        c.duration(in.MaxAge, path+".maxAge", true),
	}
	if in.AllowCredentials != nil {
		out.AllowCredentials = &in.AllowCredentials.Value
	}
	forward := in.UnmatchedPreflights == networking.CorsPolicy_FORWARD
	if in.UnmatchedPreflights != networking.CorsPolicy_UNSPECIFIED {
		out.ForwardNotMatching = &forward
	}
	for i, o := range in.AllowOrigins {
		if m := c.stringMatch(o, at(path+".allowOrigins", i)); m != nil {
			out.AllowOrigins = append(out.AllowOrigins, *m)
		}
	}
	if old := in.AllowOrigin; len(old) > 0 { //nolint:staticcheck // still in use
		c.warnf("DEPRECATED-FIELD", path+".allowOrigin", "allowOrigin is deprecated")
		c.hint("write allowOrigins: [{exact: %q}]", old[0])
		if len(in.AllowOrigins) == 0 {
			for _, o := range old {
				out.AllowOrigins = append(out.AllowOrigins, model.StringMatch{Kind: model.Exact, Value: o})
			}
		}
	}
	for i, m := range in.AllowMethods {
		if !headerToken.MatchString(m) {
			c.errorf("BAD-VALUE", at(path+".allowMethods", i), "%q is no method", shorten(m))
		}
	}
	for i, h := range in.AllowHeaders {
		c.headerName(h, at(path+".allowHeaders", i))
	}
	for i, h := range in.ExposeHeaders {
		c.headerName(h, at(path+".exposeHeaders", i))
	}
	return out
}
