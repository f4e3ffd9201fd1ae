package config

import (
	"slices"

	"github.com/squallmesh/squall/mesh/model"
)

// identities lists who may answer for each host: the service accounts of the workloads behind it, also of those that are not ready. A host
// that nobody stands behind at the moment keeps the last ones, so that scaling to nothing and back replaces no cluster.
func (b *build) identities(workloads []*model.Workload) {
	accounts := map[string]string{}
	byHost := map[string][]string{}
	for _, w := range workloads {
		id := model.IdentityOf(b.snap.Mesh.TrustDomain, w.Namespace, w.ServiceAccount)
		accounts[w.Key()] = id
		for _, in := range w.Inbound {
			byHost[in.Host] = append(byHost[in.Host], id)
		}
	}
	want := map[string]*model.Identities{}
	for host, e := range b.snap.Endpoints.All() {
		list := byHost[host]
		for _, one := range e.List {
			if id := accounts[one.Workload]; id != "" {
				list = append(list, id)
			}
		}
		if len(list) == 0 {
			if old := b.snap.Identities.At(host); old != nil {
				want[host] = old
			}
			continue
		}
		slices.Sort(list)
		want[host] = &model.Identities{Host: host, List: slices.Compact(list)}
	}
	b.snap.Identities = settle(b.snap.Identities, want)
}
