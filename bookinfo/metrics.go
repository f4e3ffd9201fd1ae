package bookinfo

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// counter counts productpage's calls by service and status. Its zero value is ready.
type counter struct {
	mu sync.Mutex
	n  map[string]int // by label set, as exposed
}

func (c *counter) add(to string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[fmt.Sprintf("{destination_app=%q,response_code=\"%d\"}", to, status)]++
}

// metrics writes the Prometheus text format.
func (p *productPage) metrics(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	b.WriteString("# HELP request_result_total Calls made, by service called and status; 500 for none.\n" +
		"# TYPE request_result_total counter\n")
	p.calls.mu.Lock()
	for _, labels := range slices.Sorted(maps.Keys(p.calls.n)) {
		fmt.Fprintf(&b, "request_result_total%s %d\n", labels, p.calls.n[labels])
	}
	p.calls.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write([]byte(b.String()))
}
