package ratelimit_test

import (
	"strings"
	"testing"
	"time"

	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/squallmesh/squall/mesh/policy/quota"
	"github.com/squallmesh/squall/mesh/policy/ratelimit"
)

func descriptor(pairs ...string) *commonv3.RateLimitDescriptor {
	d := &commonv3.RateLimitDescriptor{}
	for i := 0; i < len(pairs); i += 2 {
		d.Entries = append(d.Entries, &commonv3.RateLimitDescriptor_Entry{Key: pairs[i], Value: pairs[i+1]})
	}
	return d
}

func ask(t *testing.T, s *ratelimit.Server, d ...*commonv3.RateLimitDescriptor) (*ratelimitv3.RateLimitResponse, codes.Code) {
	t.Helper()
	resp, err := s.ShouldRateLimit(t.Context(), &ratelimitv3.RateLimitRequest{Domain: "squall", Descriptors: d})
	return resp, status.Code(err)
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := ratelimit.NewServer(quota.NewMemory(nil, 0))
	mine := descriptor("limit", "default/q/users", "user", "alice")
	_, code := ask(t, s, mine)
	assert.Equal(t, codes.NotFound, code, "a server that has just started answers nothing: the policy says what that means")

	users := map[string]quota.Limit{"default/q/users": {Requests: 1, Unit: time.Hour, Algorithm: quota.FixedWindow}}
	require.NoError(t, s.Limits(t.Context(), users))
	resp, code := ask(t, s, mine)
	require.Equal(t, codes.OK, code)
	assert.Equal(t, ratelimitv3.RateLimitResponse_OK, resp.GetOverallCode())
	assert.EqualValues(t, 1, resp.GetStatuses()[0].GetCurrentLimit().GetRequestsPerUnit())
	assert.Equal(t, ratelimitv3.RateLimitResponse_RateLimit_HOUR, resp.GetStatuses()[0].GetCurrentLimit().GetUnit())
	resp, _ = ask(t, s, mine)
	assert.Equal(t, ratelimitv3.RateLimitResponse_OVER_LIMIT, resp.GetOverallCode())
	resp, _ = ask(t, s, descriptor("limit", "default/q/users", "user", "bob"))
	assert.Equal(t, ratelimitv3.RateLimitResponse_OK, resp.GetOverallCode(), "each user has a count of his own")

	other := map[string]quota.Limit{"default/q/users": {Requests: 1, Unit: time.Minute, Algorithm: quota.GCRA}}
	require.NoError(t, s.Limits(t.Context(), other))
	resp, _ = ask(t, s, mine)
	assert.Equal(t, ratelimitv3.RateLimitResponse_OK, resp.GetOverallCode(), "a limit that counts in another way begins anew")
	require.NoError(t, s.Limits(t.Context(), nil))
	require.NoError(t, s.Limits(t.Context(), other))
	resp, _ = ask(t, s, mine)
	assert.Equal(t, ratelimitv3.RateLimitResponse_OK, resp.GetOverallCode(), "and so does one that was away")
}

// What a caller sends as one value is never taken for another's, nor for two.
func TestForgedValues(t *testing.T) {
	t.Parallel()
	s := ratelimit.NewServer(quota.NewMemory(nil, 0))
	require.NoError(t, s.Limits(t.Context(), map[string]quota.Limit{"n": {Requests: 1, Unit: time.Hour, Algorithm: quota.FixedWindow}}))
	for _, d := range []*commonv3.RateLimitDescriptor{
		descriptor("limit", "n", "user", "alice", "plan", "free"),
		descriptor("limit", "n", "user", `alice,plan=free`),
		descriptor("limit", "n", "user", `alice\,plan\=free`),
		descriptor("limit", "n", "user", "alice"),
	} {
		resp, code := ask(t, s, d)
		require.Equal(t, codes.OK, code)
		assert.Equal(t, ratelimitv3.RateLimitResponse_OK, resp.GetOverallCode(), d)
	}
}

func TestBadDescriptors(t *testing.T) {
	t.Parallel()
	s := ratelimit.NewServer(quota.NewMemory(nil, 0))
	require.NoError(t, s.Limits(t.Context(), map[string]quota.Limit{"n": {Requests: 1, Unit: time.Hour}}))
	for _, d := range []*commonv3.RateLimitDescriptor{
		descriptor(), descriptor("user", "alice"), descriptor("limit", "n", "user", strings.Repeat("x", 10_000)),
	} {
		_, code := ask(t, s, d)
		assert.Equal(t, codes.InvalidArgument, code)
	}
}
