package translate

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	ratelimitconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/ratelimit/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	localratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	exprv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/rate_limit_descriptors/expr/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/squallmesh/squall/mesh/model"
)

const (
	localQuotaFilter   = "envoy.filters.http.local_ratelimit"
	localQuotaTypeURL  = urlPrefix + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
	globalQuotaFilter  = "envoy.filters.http.ratelimit"
	globalQuotaTypeURL = urlPrefix + "envoy.extensions.filters.http.ratelimit.v3.RateLimit"

	// QuotaDomain is that of the requests to the rate limit service.
	QuotaDomain = "squall"
	// QuotaEntry is the key of a descriptor's first entry, which names the limit.
	QuotaEntry = "limit"
	// controlPlaneCluster is of a proxy's bootstrap; the control plane is the rate limit service too.
	controlPlaneCluster = "xds-grpc"
)

const (
	// quotaTimeout is how long a request waits for the rate limit service. Envoy's 20 ms would refuse requests on a busy machine.
	quotaTimeout = time.Second
	// quotaValues is how many values of what a local limit is kept by are counted at once. Envoy's 20 would forget those who called last.
	quotaValues = 10_000
	// absent stands for what a request does not have, which so has a count of its own.
	absent = "-"
)

// quotas gives the configurations of the two filters that count a proxy's requests.
func (r *reader) quotas(w *model.Workload) {
	r.note(partQuotas, w.Namespace)
	r.note(partQuotas, r.mesh().RootNamespace)
	policies := r.t.snap.Quotas(w.Namespace, w.Labels)
	local := &localratelimitv3.LocalRateLimit{StatPrefix: "http_local_rate_limit"}
	global := &ratelimitv3.RateLimit{
		Domain: QuotaDomain, Timeout: duration(quotaTimeout),
		RateLimitService: &ratelimitconfigv3.RateLimitServiceConfig{
			GrpcService:         grpcService(controlPlaneCluster, "", 0),
			TransportApiVersion: corev3.ApiVersion_V3,
		},
	}
	for _, q := range policies {
		r.from(q.Pos)
		for _, l := range q.Limits {
			actions, entries := quotaActions(q, l)
			if l.Global {
				global.RateLimits = append(global.RateLimits, &routev3.RateLimit{Actions: actions})
				// One service serves all: the strictest policy wins, and the most talkative.
				global.FailureModeDeny = global.GetFailureModeDeny() || !q.FailOpen
				if q.ResponseHeaders {
					global.EnableXRatelimitHeaders, global.EnableRetryAfterHeader = ratelimitv3.RateLimit_DRAFT_VERSION_03, true
				}
				continue
			}
			local.RateLimits = append(local.RateLimits, &routev3.RateLimit{Actions: actions})
			local.Descriptors = append(local.Descriptors, &commonv3.LocalRateLimitDescriptor{Entries: entries, TokenBucket: tokenBucket(l.Rate)})
			if q.ResponseHeaders {
				local.EnableXRatelimitHeaders, local.EnableRetryAfterHeader = commonv3.XRateLimitHeadersRFCVersion_DRAFT_VERSION_03, true
			}
		}
	}
	if len(local.GetDescriptors()) > 0 {
		all := &corev3.RuntimeFractionalPercent{DefaultValue: fraction(100)}
		local.FilterEnabled, local.FilterEnforced = all, all
		local.MaxDynamicDescriptors = wrapperspb.UInt32(quotaValues)
	}
	r.add(Extension, localQuotaFilter, &corev3.TypedExtensionConfig{Name: localQuotaFilter, TypedConfig: packed(local)})
	for _, q := range policies {
		r.from(q.Pos)
	}
	r.add(Extension, globalQuotaFilter, &corev3.TypedExtensionConfig{Name: globalQuotaFilter, TypedConfig: packed(global)})
}

// tokenBucket fills steadily: Requests in each Unit.
func tokenBucket(q model.Quota) *typev3.TokenBucket {
	burst := q.Burst
	if burst == 0 {
		burst = q.Requests
	}
	return &typev3.TokenBucket{MaxTokens: burst, TokensPerFill: wrapperspb.UInt32(q.Requests), FillInterval: duration(q.Unit)}
}

// quotaActions make a descriptor of a request that a limit counts, and none of another. Entries are those that a local limit waits for: an
// empty value stands for any, each with a bucket of its own.
func quotaActions(q *model.QuotaPolicy, l *model.QuotaLimit) ([]*routev3.RateLimit_Action, []*commonv3.RateLimitDescriptor_Entry) {
	key := q.LimitKey(l)
	actions := []*routev3.RateLimit_Action{{ActionSpecifier: &routev3.RateLimit_Action_GenericKey_{
		GenericKey: &routev3.RateLimit_Action_GenericKey{DescriptorKey: QuotaEntry, DescriptorValue: key},
	}}}
	if headers := quotaHeaders(l.Match); len(headers) > 0 {
		actions[0].ActionSpecifier = &routev3.RateLimit_Action_HeaderValueMatch_{HeaderValueMatch: &routev3.RateLimit_Action_HeaderValueMatch{
			DescriptorKey: QuotaEntry, DescriptorValue: key, Headers: headers,
		}}
	}
	entries := []*commonv3.RateLimitDescriptor_Entry{{Key: QuotaEntry, Value: key}}
	for i, by := range l.By {
		for _, part := range quotaKey("by"+strconv.Itoa(i), by) {
			actions = append(actions, part.action)
			entries = append(entries, &commonv3.RateLimitDescriptor_Entry{Key: part.key})
		}
	}
	return actions, entries
}

// quotaHeaders are what a request must have to be counted.
func quotaHeaders(m model.QuotaMatch) []*routev3.HeaderMatcher {
	var out []*routev3.HeaderMatcher
	add := func(name, flags string, values []string, star, after string) {
		if len(values) == 0 {
			return
		}
		parts := make([]string, len(values))
		for i, v := range values {
			parts[i] = globRegex(v, star)
		}
		out = append(out, &routev3.HeaderMatcher{Name: name, HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{
			StringMatch: regexMatch(flags + "(" + strings.Join(parts, "|") + ")" + after),
		}})
	}
	add(":authority", "(?i)", m.Hosts, ".", "")
	add(":method", "", m.Methods, ".", "")
	add(":path", "", m.Paths, "[^?]", `(\?.*)?`)
	for _, h := range m.Headers {
		add(strings.ToLower(h.Name), "(?s)", []string{h.Value}, ".", "")
	}
	return out
}

// globRegex turns "exact", "prefix*", "*suffix" or "*" into a regular expression; star is what one character of it may be.
func globRegex(v, star string) string {
	switch {
	case v == "*":
		return star + "+"
	case strings.HasPrefix(v, "*"):
		return star + "*" + regexp.QuoteMeta(v[1:])
	case strings.HasSuffix(v, "*"):
		return regexp.QuoteMeta(v[:len(v)-1]) + star + "*"
	}
	return regexp.QuoteMeta(v)
}

// quotaPart is an entry of a descriptor, and how it comes of a request.
type quotaPart struct {
	key    string
	action *routev3.RateLimit_Action
}

// quotaKey gives the entries for one attribute. Each is always there, if only as absent: who leaves a header out is counted too.
func quotaKey(key, by string) []quotaPart {
	name, argument, _ := strings.Cut(by, "[")
	argument = strings.TrimSuffix(argument, "]")
	switch name {
	case "request.headers":
		h := strconv.Quote(strings.ToLower(argument))
		return expression(key, h+" in request.headers ? request.headers["+h+"] : '"+absent+"'")
	case "request.host":
		return expression(key, "request.host")
	case "request.method":
		return expression(key, "request.method")
	case "request.path":
		return expression(key, "request.url_path")
	case "source.principal":
		return expression(key, "connection.mtls ? connection.uri_san_peer_certificate : '"+absent+"'")
	case "remote.ip":
		return []quotaPart{{"remote_address", &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_RemoteAddress_{
			RemoteAddress: &routev3.RateLimit_Action_RemoteAddress{},
		}}}}
	case "request.auth.principal":
		return []quotaPart{claimPart(key+".iss", "iss"), claimPart(key+".sub", "sub")}
	case "request.auth.claims":
		return []quotaPart{claimPart(key, strings.Split(argument, "][")...)}
	}
	panic("an attribute that the reader of rules lets through and nobody knows: " + by)
}

// expression is an entry with the value of a CEL expression.
func expression(key, text string) []quotaPart {
	return []quotaPart{{key, &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_Extension{
		Extension: &corev3.TypedExtensionConfig{Name: "envoy.rate_limit_descriptors.expr", TypedConfig: packed(&exprv3.Descriptor{
			DescriptorKey: key, ExprSpecifier: &exprv3.Descriptor_Text{Text: text},
		})},
	}}}}
}

// claimPart is an entry with a claim of the token that is a text.
func claimPart(key string, path ...string) quotaPart {
	m := &metadatav3.MetadataKey{Key: jwtFilter}
	for _, p := range append([]string{claimsPayload}, path...) {
		m.Path = append(m.Path, &metadatav3.MetadataKey_PathSegment{Segment: &metadatav3.MetadataKey_PathSegment_Key{Key: p}})
	}
	return quotaPart{key, &routev3.RateLimit_Action{ActionSpecifier: &routev3.RateLimit_Action_Metadata{
		Metadata: &routev3.RateLimit_Action_MetaData{DescriptorKey: key, MetadataKey: m, DefaultValue: absent},
	}}}
}
