package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// logOperator is a command operator of Envoy: %NAME%, %NAME(arguments)% or with :length behind.
var logOperator = regexp.MustCompile(`^%([A-Z0-9_]+)(?:\((.*?)\))?(?::[0-9]+)?%`)

// logOperators are those that Envoy 1.40 knows; with true, they need an argument.
// Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/observability/access_log/usage#command-operators
var logOperators = map[string]bool{
	"REQ": true, "RESP": true, "TRAILER": true, "DYNAMIC_METADATA": true, "CLUSTER_METADATA": true, "UPSTREAM_METADATA": true, "METADATA": true,
	"FILTER_STATE": true, "UPSTREAM_FILTER_STATE": true, "REQ_WITHOUT_QUERY": true, "CEL": true, "ENVIRONMENT": true, "COMMON_DURATION": true,
	"START_TIME": false, "START_TIME_LOCAL": false, "EMIT_TIME": false, "EMIT_TIME_LOCAL": false, "PROTOCOL": false, "UPSTREAM_PROTOCOL": false,
	"RESPONSE_CODE": false, "RESPONSE_CODE_DETAILS": false, "CONNECTION_TERMINATION_DETAILS": false, "RESPONSE_FLAGS": false, "RESPONSE_FLAGS_LONG": false,
	"BYTES_RECEIVED": false, "BYTES_SENT": false, "BYTES_RETRANSMITTED": false, "PACKETS_RETRANSMITTED": false, "REQUEST_HEADERS_BYTES": false,
	"RESPONSE_HEADERS_BYTES": false, "RESPONSE_TRAILERS_BYTES": false, "UPSTREAM_WIRE_BYTES_SENT": false, "UPSTREAM_WIRE_BYTES_RECEIVED": false,
	"UPSTREAM_HEADER_BYTES_SENT": false, "UPSTREAM_HEADER_BYTES_RECEIVED": false, "DOWNSTREAM_WIRE_BYTES_SENT": false,
	"DOWNSTREAM_WIRE_BYTES_RECEIVED": false, "DOWNSTREAM_HEADER_BYTES_SENT": false, "DOWNSTREAM_HEADER_BYTES_RECEIVED": false,
	"DURATION": false, "REQUEST_DURATION": false, "REQUEST_TX_DURATION": false, "RESPONSE_DURATION": false, "RESPONSE_TX_DURATION": false,
	"DOWNSTREAM_HANDSHAKE_DURATION": false, "ROUNDTRIP_DURATION": false, "UPSTREAM_HOST": false, "UPSTREAM_HOST_NAME": false,
	"UPSTREAM_CLUSTER": false, "UPSTREAM_CLUSTER_RAW": false, "UPSTREAM_LOCAL_ADDRESS": false, "UPSTREAM_REMOTE_ADDRESS": false,
	"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": false, "UPSTREAM_REMOTE_PORT": false, "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": false, "UPSTREAM_LOCAL_PORT": false,
	"UPSTREAM_REQUEST_ATTEMPT_COUNT": false, "UPSTREAM_TLS_CIPHER": false, "UPSTREAM_TLS_VERSION": false, "UPSTREAM_TLS_SESSION_ID": false,
	"UPSTREAM_PEER_ISSUER": false, "UPSTREAM_PEER_CERT": false, "UPSTREAM_PEER_SUBJECT": false, "UPSTREAM_PEER_URI_SAN": false,
	"UPSTREAM_LOCAL_URI_SAN": false, "UPSTREAM_TRANSPORT_FAILURE_REASON": false, "UPSTREAM_CONNECTION_ID": false,
	"UPSTREAM_CONNECTION_POOL_READY_DURATION": false, "DOWNSTREAM_REMOTE_ADDRESS": false, "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": false,
	"DOWNSTREAM_REMOTE_PORT": false, "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": false, "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": false,
	"DOWNSTREAM_DIRECT_REMOTE_PORT": false, "DOWNSTREAM_LOCAL_ADDRESS": false, "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": false,
	"DOWNSTREAM_LOCAL_PORT": false, "DOWNSTREAM_PEER_URI_SAN": false, "DOWNSTREAM_LOCAL_URI_SAN": false, "DOWNSTREAM_PEER_SUBJECT": false,
	"DOWNSTREAM_LOCAL_SUBJECT": false, "DOWNSTREAM_PEER_ISSUER": false, "DOWNSTREAM_PEER_CERT": false, "DOWNSTREAM_PEER_SERIAL": false,
	"DOWNSTREAM_PEER_FINGERPRINT_256": false, "DOWNSTREAM_PEER_FINGERPRINT_1": false, "DOWNSTREAM_PEER_CERT_V_START": false,
	"DOWNSTREAM_PEER_CERT_V_END": false, "DOWNSTREAM_TLS_SESSION_ID": false, "DOWNSTREAM_TLS_CIPHER": false, "DOWNSTREAM_TLS_VERSION": false,
	"DOWNSTREAM_TRANSPORT_FAILURE_REASON": false, "REQUESTED_SERVER_NAME": false, "ROUTE_NAME": false, "VIRTUAL_CLUSTER_NAME": false,
	"VIRTUAL_HOST_NAME": false, "GRPC_STATUS": false, "GRPC_STATUS_NUMBER": false, "HOSTNAME": false, "FILTER_CHAIN_NAME": false,
	"CONNECTION_ID": false, "STREAM_ID": false, "TRACE_ID": false, "SPAN_ID": false, "ACCESS_LOG_TYPE": false, "LOCAL_REPLY_BODY": false,
}

// checkFormat says what is wrong with a text with command operators.
func checkFormat(text string) (hint string, err error) {
	for rest := text; ; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			return "", nil
		}
		rest = rest[i:]
		if after, ok := strings.CutPrefix(rest, "%%"); ok {
			rest = after
			continue
		}
		m := logOperator.FindStringSubmatch(rest)
		if m == nil {
			return "%NAME%, %NAME(argument)%, or %% for the sign itself", errors.New("a % begins no operator that ends: " + shorten(rest))
		}
		needs, known := logOperators[m[1]]
		switch {
		case !known:
			var names []string
			for name := range logOperators { // sorted below
				names = append(names, name)
			}
			slices.Sort(names)
			return DidYouMean(m[1], names), fmt.Errorf("there is no operator %%%s%%", shorten(m[1]))
		case needs && m[2] == "":
			return "", fmt.Errorf("%%%s%% needs an argument: %%%s(name)%%", m[1], m[1])
		case m[1] == "CEL":
			if _, hint, err := checkCEL(m[2]); err != nil {
				return hint, err
			}
		}
		rest = rest[len(m[0]):]
	}
}
