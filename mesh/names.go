package mesh

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/squallmesh/squall/mesh/model"
)

// namesAge is how old the names may be that answers come from. A new service is found that much later, at most.
const namesAge = 250 * time.Millisecond

// namesTimeout bounds how long the control plane is asked; while it is down, the names of before count.
const namesTimeout = 2 * time.Second

// Names are the services' addresses, as a control plane gives them, kept for a moment.
type Names struct {
	client *Client

	mu    sync.Mutex
	known map[string]string
	asked time.Time
}

// NewNames asks a control plane.
func NewNames(c *Client) *Names { return &Names{client: c} }

// Find gives the address of a service by its full host name.
func (n *Names) Find(ctx context.Context, host string) (netip.Addr, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.asked) > namesAge {
		asking, cancel := context.WithTimeout(ctx, namesTimeout)
		if known, err := n.client.Services(asking); err == nil && len(known) > 0 { // a control plane that has just come back knows nothing
			n.known = known
		}
		cancel()
		n.asked = time.Now()
	}
	a, err := netip.ParseAddr(n.known[strings.ToLower(host)])
	return a, err == nil
}

// Search finds a host as a pod of a namespace does, short forms included.
func (n *Names) Search(ctx context.Context, host, namespace string) (netip.Addr, bool) {
	domain := model.DefaultMesh().Domain
	cluster := domain[strings.Index(domain, ".")+1:]
	for _, suffix := range []string{"", "." + namespace + "." + domain, "." + domain, "." + cluster} {
		if a, ok := n.Find(ctx, host+suffix); ok {
			return a, true
		}
	}
	return netip.Addr{}, false
}
