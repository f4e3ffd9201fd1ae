package extauthz_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/squallmesh/squall/mesh/policy/extauthz"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServe(t *testing.T) {
	var lc net.ListenConfig
	listen := func() net.Listener {
		l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		return l
	}
	byGRPC, byHTTP := listen(), listen()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- extauthz.Serve(ctx, byGRPC, byHTTP) }()

	conn, err := grpc.NewClient(byGRPC.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{}}
	for value, allowed := range map[string]bool{"allow": true, "": false, "deny": false, "Allow": false} {
		headers := map[string]string{extauthz.AskHeader: value}
		resp, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Headers: headers}},
		}})
		require.NoError(t, err)
		assert.Equal(t, allowed, codes.Code(resp.GetStatus().GetCode()) == codes.OK, value)
		assert.Equal(t, allowed, resp.GetOkResponse() != nil, value)

		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+byHTTP.Addr().String()+"/any", http.NoBody)
		require.NoError(t, err)
		req.Header.Set(extauthz.AskHeader, value)
		answer, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		assert.Equal(t, allowed, answer.StatusCode == http.StatusOK, value)
	}
	client.CloseIdleConnections()
	require.NoError(t, conn.Close())
	cancel()
	require.NoError(t, <-served)
}
