package config

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/squallmesh/squall/mesh/model"
)

// redirectCodes are the statuses that Envoy redirects with.
var redirectCodes = []uint32{301, 302, 303, 307, 308}

// prefixOnly opens an address that replaces the matched prefix alone, in Istio's redirects.
const prefixOnly = "%PREFIX()%"

func (r reporter) redirect(in *networking.HTTPRedirect, path string) *model.Redirect {
	if in == nil {
		return nil
	}
	out := &model.Redirect{Path: in.Uri, PrefixPath: in.PrefixRewrite, Authority: in.Authority, Scheme: in.Scheme, Code: in.RedirectCode}
	if in.Uri != "" && in.PrefixRewrite != "" {
		r.errorf("EXCLUSIVE-FIELDS", path+".prefixRewrite", `"uri" and "prefixRewrite" exclude one another`)
	}
	if rest, ok := strings.CutPrefix(in.Uri, prefixOnly); ok {
		out.Path, out.PrefixPath = "", rest
	}
	switch p := in.RedirectPort.(type) {
	case *networking.HTTPRedirect_Port:
		r.port(p.Port, path+".port")
		out.Port = p.Port
	case *networking.HTTPRedirect_DerivePort:
		out.DerivePort = p.DerivePort.String()
	case nil:
		if in.Uri == "" && in.PrefixRewrite == "" && in.Authority == "" && in.Scheme == "" {
			r.missing(path, "a redirect needs one of uri, prefixRewrite, authority, scheme, port")
		}
	}
	if in.Scheme != "" && in.Scheme != "http" && in.Scheme != "https" {
		r.errorf("BAD-VALUE", path+".scheme", "the scheme must be http or https, not %q", shorten(in.Scheme))
	}
	if out.Code == 0 {
		out.Code = 301
	} else if !slices.Contains(redirectCodes, out.Code) {
		r.errorf("BAD-STATUS", path+".redirectCode", "a redirect has no status %d", out.Code)
		r.hint("one of 301, 302, 303, 307, 308")
	}
	return out
}

func (r reporter) directResponse(in *networking.HTTPDirectResponse, path string) *model.DirectResponse {
	if in == nil {
		return nil
	}
	if in.Status < 200 || in.Status > 599 {
		if in.Status != 0 {
			r.errorf("BAD-STATUS", path+".status", "a status lies between 200 and 599, not at %d", in.Status)
		} else {
			r.missing(path+".status", "a direct response needs a status from 200 to 599")
		}
	}
	out := &model.DirectResponse{Status: in.Status}
	switch b := in.GetBody().GetSpecifier().(type) {
	case *networking.HTTPBody_String_:
		out.Body = b.String_
	case *networking.HTTPBody_Bytes:
		out.Body = string(b.Bytes)
	}
	if len(out.Body) > maxDirectBody {
		r.errorf("TOO-LARGE", path+".body", "the body has %d bytes; at most %d are allowed", len(out.Body), maxDirectBody)
	}
	return out
}

// maxDirectBody is Istio's bound on the bodies of direct responses.
const maxDirectBody = 1 << 20
