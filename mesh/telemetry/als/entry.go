package als

import (
	"encoding/json"
	"net"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dataaccesslogv3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"

	"github.com/squallmesh/squall/mesh/telemetry"
)

func (s *sender) commonHop(c *dataaccesslogv3.AccessLogCommon) telemetry.Hop {
	return telemetry.Hop{
		Time: c.GetStartTime().AsTime(), Duration: c.GetDuration().AsDuration(),
		Proxy: s.proxy, Workload: s.workload, Namespace: s.namespace, Direction: s.direction(cluster(c)),
		Flags: flags(c.GetResponseFlags()), Details: c.GetConnectionTerminationDetails(),
		Route: c.GetRouteName(), Cluster: cluster(c),
		UpstreamAddress: address(c.GetUpstreamRemoteAddress()), UpstreamLocal: address(c.GetUpstreamLocalAddress()),
		UpstreamFailure: c.GetUpstreamTransportFailureReason(), UpstreamTime: c.GetTimeToFirstUpstreamRxByte().AsDuration(),
		Attempts:         int(c.GetUpstreamRequestAttemptCount()),
		DownstreamRemote: address(c.GetDownstreamRemoteAddress()), DownstreamLocal: address(c.GetDownstreamLocalAddress()),
		DownstreamFailure: c.GetDownstreamTransportFailureReason(),
		Principal:         uri(c.GetTlsProperties().GetPeerCertificateProperties()),
		LocalPrincipal:    uri(c.GetTlsProperties().GetLocalCertificateProperties()),
		UpstreamPrincipal: tag(c, "upstream_peer"), UpstreamLocalPrincipal: tag(c, "upstream_local"),
		Counting: s.counting(c),
	}
}

// clusterTag is the custom tag in which proxies name the cluster that the route led to.
const clusterTag = "cluster"

// cluster is where the route led. Envoy's own field is empty when no host was picked (a full breaker, no healthy host), so
// proxies may send a tag.
func cluster(c *dataaccesslogv3.AccessLogCommon) string {
	if name := c.GetUpstreamCluster(); name != "" {
		return name
	}
	return tag(c, clusterTag)
}

// tag gives what a proxy sends in a custom tag; Envoy says "-" for nothing.
func tag(c *dataaccesslogv3.AccessLogCommon, name string) string {
	if v := c.GetCustomTags()[name]; v != "-" {
		return v
	}
	return ""
}

// counting reads how the proxy's rules count what it logged.
func (s *sender) counting(c *dataaccesslogv3.AccessLogCommon) telemetry.Counting {
	text := c.GetCustomTags()[telemetry.CountedTag]
	if text == "" {
		return nil
	}
	rules, known := s.rules[text]
	if !known {
		if err := json.Unmarshal([]byte(text), &rules); err != nil {
			rules = nil // no tag of ours
		}
		if s.rules == nil {
			s.rules = map[string]telemetry.Counting{}
		}
		s.rules[text] = rules
	}
	out := telemetry.Counting{}
	for metric, how := range rules {
		labels := make(map[string]string, len(how.Labels))
		for name, value := range how.Labels {
			if value != "" {
				if value = tag(c, value); value == "" {
					value = unknownValue
				}
			}
			labels[name] = value
		}
		how.Labels = labels
		out[metric] = how
	}
	return out
}

// unknownValue is what a label has where an expression finds nothing, as in Istio.
const unknownValue = "unknown"

func (s *sender) tcpHop(e *dataaccesslogv3.TCPAccessLogEntry) telemetry.Hop {
	h := s.commonHop(e.GetCommonProperties())
	h.TCP, h.Protocol = true, "TCP"
	h.RequestID = e.GetCommonProperties().GetStreamId()
	h.BytesReceived = e.GetConnectionProperties().GetReceivedBytes()
	h.BytesSent = e.GetConnectionProperties().GetSentBytes()
	return h
}

var protocols = map[dataaccesslogv3.HTTPAccessLogEntry_HTTPVersion]string{
	dataaccesslogv3.HTTPAccessLogEntry_HTTP10: "HTTP/1.0",
	dataaccesslogv3.HTTPAccessLogEntry_HTTP11: "HTTP/1.1",
	dataaccesslogv3.HTTPAccessLogEntry_HTTP2:  "HTTP/2",
	dataaccesslogv3.HTTPAccessLogEntry_HTTP3:  "HTTP/3",
}

func (s *sender) httpHop(e *dataaccesslogv3.HTTPAccessLogEntry) telemetry.Hop {
	h := s.commonHop(e.GetCommonProperties())
	req, resp := e.GetRequest(), e.GetResponse()
	headers := req.GetRequestHeaders()
	h.Protocol = protocols[e.GetProtocolVersion()]
	h.RequestID = req.GetRequestId()
	if h.RequestID == "" {
		h.RequestID = headers["x-request-id"]
	}
	h.TraceID, h.SpanID = traceOf(headers)
	if m := req.GetRequestMethod(); m != corev3.RequestMethod_METHOD_UNSPECIFIED {
		h.Method = m.String()
	}
	h.Scheme, h.Authority = req.GetScheme(), req.GetAuthority()
	h.Path, h.OriginalPath = req.GetPath(), req.GetOriginalPath()
	if h.OriginalPath == "" {
		h.OriginalPath = headers["x-envoy-original-path"]
	}
	h.EndUser, h.UserAgent = headers["end-user"], req.GetUserAgent()
	h.Attempt, _ = strconv.Atoi(headers["x-envoy-attempt-count"]) // 0 without the header
	h.Status = int(resp.GetResponseCode().GetValue())
	h.GRPC = strings.HasPrefix(headers["content-type"], "application/grpc")
	h.GRPCStatus = resp.GetResponseTrailers()["grpc-status"]
	if h.GRPCStatus == "" {
		h.GRPCStatus = resp.GetResponseHeaders()["grpc-status"]
	}
	h.GRPC = h.GRPC || h.GRPCStatus != ""
	if d := resp.GetResponseCodeDetails(); d != "" {
		h.Details = d
	}
	h.BytesReceived, h.BytesSent = req.GetRequestBodyBytes(), resp.GetResponseBodyBytes()
	h.HeaderBytesReceived, h.HeaderBytesSent = req.GetRequestHeadersBytes(), resp.GetResponseHeadersBytes()
	return h
}

// traceOf reads B3 headers; without those W3C's: version-trace-span-flags.
func traceOf(headers map[string]string) (trace, span string) {
	if id := headers["x-b3-traceid"]; id != "" {
		return strings.ToLower(id), strings.ToLower(headers["x-b3-spanid"])
	}
	if parts := strings.Split(headers["traceparent"], "-"); len(parts) >= 4 {
		return parts[1], parts[2]
	}
	return "", ""
}

func address(a *corev3.Address) string {
	if s := a.GetSocketAddress(); s != nil {
		return net.JoinHostPort(s.GetAddress(), strconv.FormatUint(uint64(s.GetPortValue()), 10))
	}
	if p := a.GetPipe(); p != nil {
		return "unix://" + p.GetPath()
	}
	if i := a.GetEnvoyInternalAddress(); i != nil {
		return "internal://" + i.GetServerListenerName()
	}
	return ""
}

// uri is the first URI in a certificate's alternative names: the SPIFFE identity.
func uri(c *dataaccesslogv3.TLSProperties_CertificateProperties) string {
	for _, name := range c.GetSubjectAltName() {
		if u := name.GetUri(); u != "" {
			return u
		}
	}
	return ""
}
