package config

import (
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/model"
)

// resolver finds services by the names that rules call them by.
type resolver struct {
	services model.Map[*model.Service]
	domain   string // svc.cluster.local
}

// host gives the full name of a host that a document of a namespace names: reviews is reviews.<namespace>.<domain>,
// reviews.prod and reviews.prod.svc are reviews.prod.<domain> where such a service exists, and other names with dots stay.
func (r resolver) host(host, namespace string) string {
	switch {
	case host == "" || strings.HasPrefix(host, "*"):
		return host
	case !strings.Contains(host, "."):
		return host + "." + namespace + "." + r.domain
	}
	if first, _, _ := strings.Cut(r.domain, "."); strings.HasSuffix(host, "."+first) {
		if full := strings.TrimSuffix(host, "."+first) + "." + r.domain; r.services.At(full) != nil {
			return full
		}
	}
	if full := host + "." + r.domain; strings.Count(host, ".") == 1 && r.services.At(full) != nil {
		return full
	}
	return host
}

// service finds the service that stands for a full name, or for a wildcard that covers it, or gives nil.
func (r resolver) service(host string) *model.Service {
	for _, h := range model.HostPatterns(host) {
		if s := r.services.At(h); s != nil {
			return s
		}
	}
	return nil
}

// suggest gives a hint for a host that no service stands for.
func (r resolver) suggest(written, namespace string) string {
	var short, full []string
	for host, s := range r.services.All() {
		switch {
		case s.Name == "":
			full = append(full, host)
		case s.Namespace == namespace:
			short = append(short, s.Name)
			full = append(full, host)
		default:
			short = append(short, s.Name+"."+s.Namespace)
			full = append(full, host)
		}
	}
	names := short
	if strings.Count(written, ".") > 1 {
		names = full
	}
	if near := nearest(written, names); near != "" {
		return "did you mean " + near + "?"
	}
	for _, s := range short { // the same name in another namespace
		if name, _, found := strings.Cut(s, "."); found && name == written {
			return "did you mean " + s + "?"
		}
	}
	slices.Sort(short)
	if len(short) > 0 && len(short) <= 16 {
		return "services: " + strings.Join(short, ", ") + "; hosts outside of the mesh need a ServiceEntry"
	}
	return "hosts outside of the mesh need a ServiceEntry"
}
