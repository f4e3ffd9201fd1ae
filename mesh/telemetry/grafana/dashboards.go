package grafana

// Dashboard is a page of panels.
type Dashboard struct {
	// UID is its name in addresses and files.
	UID, Title string
	// Variables are chosen at its top; queries have them as $name.
	Variables []Variable
	Panels    []Panel
}

// Variable is a choice of values of a label.
type Variable struct {
	Name, Label string
	// Query gives them, in Grafana's words for Prometheus.
	Query string
}

// Panel is one picture.
type Panel struct {
	Title string
	// Unit is Grafana's name of one: reqps, percentunit, ms, Bps, short.
	Unit    string
	Queries []Query
	// Needs says what must have happened for it to have data: "" is any request, "tcp" a connection over TCP, "calls" calls of the
	// workload that is chosen, "fault" a fault.
	Needs string
}

// Query is a line, or several, of a panel. Legend names them by labels: {{destination_service_name}}.
type Query struct{ Expr, Legend string }

// Interval stands in queries for the time over which rates are taken; Grafana sets it.
const Interval = "$__rate_interval"

const served = `istio_requests_total{reporter="destination"}`

func quantiles(filter, by string) []Query {
	var out []Query
	for _, q := range []struct{ q, name string }{{"0.5", "p50"}, {"0.9", "p90"}, {"0.99", "p99"}} {
		out = append(out, Query{
			"histogram_quantile(" + q.q + ", sum by (" + by + ", le) (rate(istio_request_duration_milliseconds_bucket{" + filter + "}[" + Interval + "])))",
			q.name + " {{" + by + "}}",
		})
	}
	return out
}

func errorShare(filter, by string) Query {
	all := "sum by (" + by + ") (rate(istio_requests_total{" + filter + "}[" + Interval + "]))"
	return Query{`(sum by (` + by + `) (rate(istio_requests_total{` + filter + `,response_code=~"5..|0"}[` + Interval + `])) or 0 * ` + all + `) / ` + all, "{{" + by + "}}"}
}

func rate(filter, by string) Query {
	return Query{"sum by (" + by + ") (rate(istio_requests_total{" + filter + "}[" + Interval + "]))", "{{" + by + "}}"}
}

func bytes(metric, filter, by string) Query {
	return Query{"sum by (" + by + ") (rate(" + metric + "{" + filter + "}[" + Interval + "]))", "{{" + by + "}}"}
}

// Dashboards gives all, sorted by UID.
func Dashboards() []Dashboard {
	const (
		service    = `reporter="destination",destination_service_name="$service"`
		asked      = `reporter="source",destination_service_name="$service"`
		in         = `reporter="destination",destination_workload="$workload"`
		out        = `reporter="source",source_workload="$workload"`
		everywhere = `reporter="destination"`
	)
	return []Dashboard{
		{UID: "squall-control-plane", Title: "Control plane", Panels: []Panel{
			{Title: "Proxies that are connected", Unit: "short", Queries: []Query{{"pilot_xds", "connected"}, {"squall_proxies", "known"}}},
			{Title: "Proxies without the newest configuration", Unit: "short", Queries: []Query{{"squall_proxies_behind", "behind"}}},
			{Title: "Version of the configuration", Unit: "short", Queries: []Query{{"squall_config_version", "version"}}},
		}},
		{UID: "squall-mesh", Title: "Mesh", Panels: []Panel{
			{Title: "Requests", Unit: "reqps", Queries: []Query{{"sum(rate(" + served + "[" + Interval + "]))", "all"}}},
			{Title: "Share of errors", Unit: "percentunit", Queries: []Query{errorShare(everywhere, "destination_service_name")}},
			{Title: "Requests by service", Unit: "reqps", Queries: []Query{rate(everywhere, "destination_service_name")}},
			{Title: "Latency by service", Unit: "ms", Queries: quantiles(everywhere, "destination_service_name")},
			{Title: "Requests by workload", Unit: "reqps", Queries: []Query{rate(everywhere, "destination_workload")}},
			{Title: "Calls with mutual TLS and without", Unit: "reqps", Queries: []Query{rate(everywhere, "connection_security_policy")}},
			{Title: "Bytes over TCP", Unit: "Bps", Needs: "tcp", Queries: []Query{
				bytes("istio_tcp_sent_bytes_total", everywhere, "destination_service_name"), bytes("istio_tcp_received_bytes_total", everywhere, "destination_service_name"),
			}},
		}},
		{UID: "squall-scenario", Title: "Scenario", Panels: []Panel{
			{Title: "Faults", Unit: "short", Needs: "fault", Queries: []Query{{"squall_fault", "{{kind}} {{to}}"}}},
			{Title: "Requests by status", Unit: "reqps", Queries: []Query{rate(`reporter="source"`, "response_code")}},
			{Title: "Response flags", Unit: "reqps", Queries: []Query{rate(`reporter="source"`, "response_flags")}},
			{Title: "Share of errors", Unit: "percentunit", Queries: []Query{errorShare(`reporter="source"`, "destination_service_name")}},
			{Title: "Latency as callers see it", Unit: "ms", Queries: quantiles(`reporter="source"`, "destination_service_name")},
		}},
		{UID: "squall-service", Title: "Service", Variables: []Variable{{"service", "Service", "label_values(istio_requests_total, destination_service_name)"}}, Panels: []Panel{
			{Title: "Requests by version", Unit: "reqps", Queries: []Query{rate(service, "destination_version")}},
			{Title: "Requests by caller", Unit: "reqps", Queries: []Query{rate(service, "source_workload")}},
			{Title: "Requests by status", Unit: "reqps", Queries: []Query{rate(service, "response_code")}},
			{Title: "Latency at the service", Unit: "ms", Queries: quantiles(service, "destination_workload")},
			{Title: "Latency as callers see it", Unit: "ms", Queries: quantiles(asked, "source_workload")},
			{Title: "Share of errors as callers see it", Unit: "percentunit", Queries: []Query{errorShare(asked, "source_workload")}},
			{Title: "Bytes of requests", Unit: "Bps", Queries: []Query{bytes("istio_request_bytes_sum", service, "destination_workload")}},
			{Title: "Bytes of answers", Unit: "Bps", Queries: []Query{bytes("istio_response_bytes_sum", service, "destination_workload")}},
			{Title: "Connections over TCP", Unit: "short", Needs: "tcp", Queries: []Query{bytes("istio_tcp_connections_opened_total", service, "destination_workload")}},
		}},
		{UID: "squall-workload", Title: "Workload", Variables: []Variable{{"workload", "Workload", "label_values(istio_requests_total, destination_workload)"}}, Panels: []Panel{
			{Title: "Requests that it takes", Unit: "reqps", Queries: []Query{rate(in, "source_workload")}},
			{Title: "Their status", Unit: "reqps", Queries: []Query{rate(in, "response_code")}},
			{Title: "Their latency", Unit: "ms", Queries: quantiles(in, "destination_workload")},
			{Title: "Share of errors", Unit: "percentunit", Queries: []Query{errorShare(in, "destination_workload")}},
			{Title: "Calls that it makes", Unit: "reqps", Needs: "calls", Queries: []Query{rate(out, "destination_service_name")}},
			{Title: "Their latency, to others", Unit: "ms", Needs: "calls", Queries: quantiles(out, "destination_service_name")},
		}},
	}
}
