package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/policy/quota"
	"github.com/squallmesh/squall/mesh/policy/ratelimit"
	"github.com/squallmesh/squall/mesh/proc"
)

// realRedis is a redis-server of Debian's at a socket, for one test.
type realRedis struct {
	t       *testing.T
	owner   *proc.Owner
	program string
	dir     string
	process *proc.Process
}

func startRedis(t *testing.T) *realRedis {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server is installed: apt install redis-server")
	}
	self, err := os.Executable()
	require.NoError(t, err)
	owner, err := proc.NewOwner(proc.Options{Watchdog: []string{self, "role=watchdog"}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, owner.Close()) })
	dir, err := os.MkdirTemp("", "sq") //nolint:usetesting // t.TempDir has long paths
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	r := &realRedis{t: t, owner: owner, program: program, dir: dir}
	r.start()
	return r
}

// start returns when the server answers. Nothing of before is left.
func (r *realRedis) start() {
	r.t.Helper()
	var err error
	r.process, err = r.owner.Start(proc.Spec{
		Name: "redis", Path: r.program, Dir: r.dir,
		Args: []string{"--port", "0", "--unixsocket", filepath.Join(r.dir, "redis.sock"), "--unixsocketperm", "700", "--save", "", "--appendonly", "no"},
	})
	require.NoError(r.t, err)
	store := r.store(nil)
	require.Eventually(r.t, func() bool { return store.Ping(r.t.Context()) == nil }, 20*time.Second, 5*time.Millisecond, "%v", r.process.LogTail(5))
}

func (r *realRedis) kill() {
	r.t.Helper()
	require.NoError(r.t, r.process.Kill())
	<-r.process.Done()
}

// store is a connection of its own.
func (r *realRedis) store(now func() time.Time) *ratelimit.Redis {
	r.t.Helper()
	store, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: "unix://" + filepath.Join(r.dir, "redis.sock"), Now: now})
	require.NoError(r.t, err)
	r.t.Cleanup(func() { require.NoError(r.t, store.Close()) })
	return store
}

// turns asks one store after the other.
type turns struct {
	stores []quota.Store
	asked  atomic.Int64
}

func (s *turns) Take(ctx context.Context, hits []quota.Hit) ([]quota.Decision, error) {
	return s.stores[int(s.asked.Add(1))%len(s.stores)].Take(ctx, hits)
}

func (s *turns) Forget(ctx context.Context, prefix string) error {
	return s.stores[0].Forget(ctx, prefix)
}

// Whoever shares a Redis shares a limit, to the request.
func TestRedisIsShared(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	now := func() time.Time { return time.Unix(1_700_000_000, 999_999_999) }
	for _, algorithm := range []quota.Algorithm{quota.FixedWindow, quota.GCRA} {
		exact(t, &turns{stores: []quota.Store{r.store(now), r.store(now)}}, algorithm)
	}
}

// Both stores decide alike about everything: one or two limits of any number, several requests at once, a clock that goes on by bits or by far, and
// back, and counts that are forgotten.
func TestStoresDecideAlike(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	at := &clock{time.Unix(1_700_000_000, 123_456_789)}
	redis, memory := r.store(at.now), quota.NewMemory(at.now, 0)
	const seed = uint64(3)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // of a test
	pick := func(list ...time.Duration) time.Duration { return list[random.IntN(len(list))] }
	limits := map[string]quota.Limit{}
	for _, name := range []string{"a", "b*", "c=[1]", `d\`} {
		limit := quota.Limit{
			Requests: 1 + random.Uint32N(7), Unit: pick(time.Second, time.Minute, time.Hour, 24*time.Hour), Algorithm: quota.FixedWindow,
		}
		if random.IntN(2) == 0 {
			limit.Algorithm, limit.Burst = quota.GCRA, random.Uint32N(9)
		}
		limits[name] = limit
	}
	names := []string{"a", "b*", "c=[1]", `d\`}
	allowed := 0
	const asked = 3000
	for i := range asked {
		at.at = at.at.Add(pick(0, 0, time.Nanosecond, 333_333_333, time.Second, 7*time.Minute, 9*time.Hour, -time.Second))
		if random.IntN(200) == 0 {
			name := names[random.IntN(len(names))]
			require.NoError(t, redis.Forget(t.Context(), name))
			require.NoError(t, memory.Forget(t.Context(), name))
		}
		var hits []quota.Hit
		for range 1 + random.IntN(2) {
			name := names[random.IntN(len(names))]
			hits = append(hits, quota.Hit{Key: fmt.Sprint(name, random.IntN(2)), Limit: limits[name], N: random.Uint32N(4)})
		}
		want, err := memory.Take(t.Context(), hits)
		require.NoError(t, err)
		got, err := redis.Take(t.Context(), hits)
		require.NoError(t, err)
		require.Equal(t, want, got, "seed %d, request %d at %s: %+v", seed, i, at.at, hits)
		if got[0].Allowed {
			allowed++
		}
	}
	assert.Greater(t, allowed, asked/10, "seed %d", seed)
	assert.Less(t, allowed, asked*9/10, "seed %d", seed)
}

// Without its Redis a mesh counts nothing: requests are refused, or pass, as the policy says. With it, counting goes on by itself.
func TestRedisDies(t *testing.T) {
	r := startRedis(t)
	l := sidecar(t, model.Snapshot{Mesh: model.ExactMesh()}, r.store(nil))
	two := &model.QuotaLimit{Name: "two", Global: true, Rate: model.Quota{Requests: 2, Unit: 24 * time.Hour}}
	l.apply(two)
	assert.Equal(t, 2, l.passed(4, nil))
	r.kill()
	status, _ := l.send(nil)
	assert.Equal(t, http.StatusInternalServerError, status, "closed, unless the policy says otherwise")
	r.start()
	assert.Equal(t, 2, l.passed(4, nil), "a Redis that comes back empty counts from zero")
	l.failOpen = true
	l.apply(two)
	assert.Equal(t, 2, l.passed(4, nil))
	r.kill()
	status, _ = l.send(nil)
	assert.Equal(t, http.StatusOK, status)
}

func TestRedisURLs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"redis://u:secret@127.0.0.1:1/0": "password",
		"http://127.0.0.1":               "scheme",
		"127.0.0.1:6379":                 "URL",
		"redis://127.0.0.1:1/x":          "database",
	} {
		_, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: text})
		require.ErrorContains(t, err, want, text)
		assert.NotContains(t, err.Error(), "secret")
	}
}
