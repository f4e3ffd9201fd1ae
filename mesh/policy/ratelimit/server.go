package ratelimit

import (
	"context"
	"errors"
	"sync/atomic"

	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/squallmesh/squall/mesh/policy/quota"
)

// longest is how much a descriptor may say, in bytes, so that nobody fills the memory with long keys.
const longest = 8 << 10

// Server answers whether requests are within their limits.
type Server struct {
	ratelimitv3.UnimplementedRateLimitServiceServer

	store  quota.Store
	limits atomic.Pointer[map[string]quota.Limit]
}

// NewServer gives a server that knows no limit yet.
func NewServer(s quota.Store) *Server {
	out := &Server{store: s}
	out.limits.Store(&map[string]quota.Limit{})
	return out
}

// Register makes a gRPC server answer.
func (s *Server) Register(g grpc.ServiceRegistrar) { ratelimitv3.RegisterRateLimitServiceServer(g, s) }

// Limits are what the server knows from now on, by name. The map must not change afterwards. Counts of limits that are gone are forgotten, and
// those of a limit that counts in another way now; a limit of which only the number is another goes on.
func (s *Server) Limits(ctx context.Context, m map[string]quota.Limit) error {
	var errs []error
	for _, beginning := range quota.Changed(*s.limits.Swap(&m), m) {
		errs = append(errs, s.store.Forget(ctx, beginning))
	}
	return errors.Join(errs...)
}

// ShouldRateLimit is the service. A limit that the server does not know (it has just started) is an error and no answer, so that the proxy does as
// its policy says for a server that fails.
func (s *Server) ShouldRateLimit(ctx context.Context, req *ratelimitv3.RateLimitRequest) (*ratelimitv3.RateLimitResponse, error) {
	limits := *s.limits.Load()
	hits := make([]quota.Hit, len(req.GetDescriptors()))
	for i, d := range req.GetDescriptors() {
		name, key, err := keyOf(d)
		if err != nil {
			return nil, err
		}
		limit, known := limits[name]
		if !known {
			return nil, status.Errorf(codes.NotFound, "no limit is named %q", name)
		}
		hits[i] = quota.Hit{Key: key, Limit: limit, N: addend(req, d)}
	}
	decisions, err := s.store.Take(ctx, hits)
	switch {
	case errors.Is(err, quota.ErrFull):
		return nil, status.Error(codes.ResourceExhausted, err.Error())
	case err != nil:
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	out := &ratelimitv3.RateLimitResponse{OverallCode: ratelimitv3.RateLimitResponse_OK}
	for i, d := range decisions {
		code := ratelimitv3.RateLimitResponse_OK
		if !d.Allowed {
			code = ratelimitv3.RateLimitResponse_OVER_LIMIT
			out.OverallCode = code
		}
		out.Statuses = append(out.Statuses, &ratelimitv3.RateLimitResponse_DescriptorStatus{
			Code: code, CurrentLimit: shown(hits[i].Limit), LimitRemaining: d.Remaining, DurationUntilReset: durationpb.New(d.Reset),
		})
	}
	return out, nil
}

// keyOf takes a descriptor apart: the limit's name, and a key that no other descriptor has.
func keyOf(d *commonv3.RateLimitDescriptor) (name, key string, err error) {
	entries := d.GetEntries()
	if len(entries) == 0 || entries[0].GetKey() != quota.NameKey {
		return "", "", status.Errorf(codes.InvalidArgument, "a descriptor begins with the entry %q", quota.NameKey)
	}
	parts := make([]quota.Entry, len(entries))
	for i, e := range entries {
		parts[i] = quota.Entry{Key: e.GetKey(), Value: e.GetValue()}
	}
	if key = quota.Key(parts...); len(key) > longest {
		return "", "", status.Errorf(codes.InvalidArgument, "a descriptor of %d bytes is longer than %d", len(key), longest)
	}
	return entries[0].GetValue(), key, nil
}

func addend(req *ratelimitv3.RateLimitRequest, d *commonv3.RateLimitDescriptor) uint32 {
	if a := d.GetHitsAddend(); a != nil {
		return uint32(min(a.GetValue(), 1<<31))
	}
	return max(req.GetHitsAddend(), 1)
}

var units = map[int64]ratelimitv3.RateLimitResponse_RateLimit_Unit{
	1: ratelimitv3.RateLimitResponse_RateLimit_SECOND, 60: ratelimitv3.RateLimitResponse_RateLimit_MINUTE,
	3600: ratelimitv3.RateLimitResponse_RateLimit_HOUR, 86400: ratelimitv3.RateLimitResponse_RateLimit_DAY,
}

func shown(l quota.Limit) *ratelimitv3.RateLimitResponse_RateLimit {
	return &ratelimitv3.RateLimitResponse_RateLimit{RequestsPerUnit: l.Requests, Unit: units[int64(l.Unit.Seconds())]}
}
