package loadgen_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/squallmesh/squall/loadgen"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// serve runs a handler on a port of the kernel's choice, HTTP/1 and HTTP/2.
func serve(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// results collects what a sink gets.
type results struct {
	mu  sync.Mutex
	all []loadgen.Result
}

func (r *results) add(one loadgen.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, one)
}

// run drives loads that start now.
func run(t testing.TB, loads ...loadgen.Load) ([]loadgen.Result, []loadgen.Summary) {
	t.Helper()
	var got results
	summaries, err := loadgen.Run(within(t, 20*time.Second), time.Now(), loads, got.add)
	require.NoError(t, err)
	return got.all, summaries
}
