package envoy

import (
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// named matches a name up to its ";" or, without one, up to the first dot. The first group, which Envoy removes from the
// statistic's name, has the punctuation; the second is the label's value.
const named = `(([^.;]+(?:\.[^;]+(?=;))?);?\.)`

// statsTags are the labels cut out of statistic names. An empty pattern takes Envoy's own.
//
// Names that hold dots end in ";", by which they are found whole: the cluster "outbound|9080|v1|reviews.default.svc.cluster.local"
// has the statistics "cluster.outbound|9080|v1|reviews.default.svc.cluster.local;.upstream_rq_total". Envoy's own tags cut at
// the first dot, hence use_all_default_tags is off. Label names are those of Istio's bootstrap, so that its users' queries
// carry over.
//
// Patterns are slow (std::regex): each that is tried on the statistics of clusters adds about 0.5 ms per cluster to the start
// and to every cluster that comes. So all patterns name the first word of the statistics that they are for, by which Envoy
// finds them, and the response codes are left to Envoy's own, faster kind, at the price of other labels than Istio's:
// envoy_cluster_upstream_rq{envoy_response_code="503"} and envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}.
// Each label has one pattern: for a second one Envoy warns at every match.
var statsTags = []struct{ label, pattern string }{
	{"cluster_name", `^cluster\.` + named},
	{"http_conn_manager_prefix", `^http\.` + named},
	{"tcp_prefix", `^tcp\.` + named},
	{"listener_address", `^listener\.((\d+\.\d+\.\d+\.\d+_\d+|\[[^\]]*\]_\d+|[^.;]+);?\.)`},
	{"http_conn_manager_listener_prefix", `^listener\..*?\.http\.` + named},
	{"worker_id", `^listener\..*?\.worker(_(\d+))\.`}, // the word stays: these are parts of a total
	{"virtual_host", `^vhost\.((.+?)\.)(?:vcluster|route)\.`},
	{"virtual_cluster", `^vhost\..+?\.vcluster\.((.+?)\.)`},
	{"rds_route_config", `^http\..+?\.rds\.((.+)\.)\w+$`},
	{"authz_enforce_result", `^http\..+?\.rbac(\.(allowed|denied))$`},
	{"authz_dry_run_result", `^http\..+?(\.shadow_(allowed|denied))$`},
	{"envoy.response_code", ""},
	{"envoy.response_code_class", ""},
}

func statsConfig() *metricsv3.StatsConfig {
	config := &metricsv3.StatsConfig{UseAllDefaultTags: wrapperspb.Bool(false)}
	for _, t := range statsTags {
		config.StatsTags = append(config.StatsTags, &metricsv3.TagSpecifier{
			TagName: t.label, TagValue: &metricsv3.TagSpecifier_Regex{Regex: t.pattern},
		})
	}
	return config
}
