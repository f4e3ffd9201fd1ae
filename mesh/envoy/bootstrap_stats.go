package envoy

import (
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// named matches a name that ends in ";" (and may hold dots), or one without dots if there is no ";" at all. The first group,
// which Envoy removes from the statistic, has the punctuation; the second is the label's value.
const named = `(([^;]+(?=;\.)|[^;.]+(?=\.[^;]*$));?\.)`

// statsTags are the labels cut out of statistic names, with the label names that Istio's bootstrap uses, so that its users'
// queries carry over; worker_id, virtual_host, virtual_cluster and rds_route_config are in addition.
//
// Names that hold dots end in ";", by which they are found whole: the cluster "outbound|9080|v1|reviews.default.svc.cluster.local"
// has the statistics "cluster.outbound|9080|v1|reviews.default.svc.cluster.local;.upstream_rq_total". Envoy's own tags cut at
// the first dot, hence use_all_default_tags is off. Each label has one pattern: for a second one Envoy warns at every match.
var statsTags = []struct{ label, pattern string }{
	{"cluster_name", `^cluster\.` + named},
	{"http_conn_manager_prefix", `^http\.` + named},
	{"tcp_prefix", `^tcp\.` + named},
	{"listener_address", `^listener\.((\d+\.\d+\.\d+\.\d+_\d+|\[[^\]]*\]_\d+|[^.;]+);?\.)`},
	{"http_conn_manager_listener_prefix", `^listener\..*?\.http\.` + named},
	{"worker_id", `^listener(?:_manager)?\..*?worker(_(\d+))\.`}, // the word stays: these are parts of a total
	{"virtual_host", `^vhost\.((.+?)\.)(?:vcluster|route)\.`},
	{"virtual_cluster", `^vhost\..+?\.vcluster\.((.+?)\.)`},
	{"rds_route_config", `^http\..+?\.rds\.((.+)\.)\w+$`},
	{"response_code", `_rq(_(\d{3}))$`},
	{"response_code_class", `_rq(_(\dxx))$`},
	{"authz_enforce_result", `rbac(\.(allowed|denied))`},
	{"authz_dry_run_result", `(\.shadow_(allowed|denied))`},
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
