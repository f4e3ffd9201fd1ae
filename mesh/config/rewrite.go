package config

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

func (r reporter) rewrite(in *networking.HTTPRewrite, path string) *model.Rewrite {
	if in == nil {
		return nil
	}
	out := &model.Rewrite{URI: in.Uri, Authority: in.Authority}
	if re := in.UriRegexRewrite; re != nil {
		p := path + ".uriRegexRewrite"
		if in.Uri != "" {
			r.errorf("EXCLUSIVE-FIELDS", p, `"uri" and "uriRegexRewrite" exclude one another`)
		}
		if re.Match == "" {
			r.missing(p+".match", "uriRegexRewrite needs a match")
		}
		r.regex(re.Match, p+".match")
		out.Regex, out.Substitution = re.Match, re.Rewrite
	}
	if *out == (model.Rewrite{}) {
		r.missing(path, "a rewrite needs one of uri, authority, uriRegexRewrite")
	}
	return out
}
