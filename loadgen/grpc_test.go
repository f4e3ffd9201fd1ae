package loadgen_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/loadgen"
	"github.com/squallmesh/squall/loadgen/pace"
)

// A call is a framed message over HTTP/2, and its status is in the trailers, or in the headers where there is no more than those.
func TestGRPC(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/grpc")
		switch {
		case r.Proto != "HTTP/2.0" || r.Method != http.MethodPost || r.Header.Get("Te") != "trailers" || r.Header.Get("Content-Type") != "application/grpc":
			http.Error(w, "no call", http.StatusTeapot)
		case strings.HasSuffix(r.URL.Path, "/Echo"):
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = w.Write(body)
			w.Header().Set("Grpc-Status", "0")
		case strings.HasSuffix(r.URL.Path, "/Busy"):
			w.Header().Set("Grpc-Status", "14")
		case strings.HasSuffix(r.URL.Path, "/Proxy"):
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()

	call := func(method, body string) loadgen.Result {
		var got []loadgen.Result
		_, err := loadgen.Run(t.Context(), time.Now(), []loadgen.Load{{
			Name: "l", Pacer: pace.NewConstant(pace.PerSecond(1)), Duration: time.Millisecond, GRPC: true,
			Requests: loadgen.Same(loadgen.Request{URL: server.URL + method, Body: []byte(body)}),
		}}, func(r loadgen.Result) { got = append(got, r) })
		require.NoError(t, err)
		require.Len(t, got, 1)
		return got[0]
	}
	echo := call("/a.B/Echo", "hello")
	require.True(t, echo.Succeeded(), echo.Err)
	require.Equal(t, "0", echo.Value)
	require.EqualValues(t, 5+2+5, echo.Bytes, "frame, field and text come back")
	busy := call("/a.B/Busy", "")
	require.False(t, busy.Succeeded())
	require.Equal(t, "grpc-status 14", busy.Err)
	require.Equal(t, "14", busy.Value)
	require.Equal(t, 200, busy.Status)
	require.Equal(t, "grpc-status missing", call("/a.B/None", "").Err)
	proxy := call("/a.B/Proxy", "")
	require.Equal(t, 502, proxy.Status)
	require.Empty(t, proxy.Err)
	require.False(t, proxy.Succeeded())
}
