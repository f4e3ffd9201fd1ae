package ratelimit_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/policy/quota"
)

// clock is moved by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// Each step waits, asks once, and says what is to be answered.
func TestLimits(t *testing.T) {
	t.Parallel()
	type step struct {
		wait    time.Duration
		allowed bool
		left    uint32
		reset   time.Duration
	}
	for name, c := range map[string]struct {
		limit quota.Limit
		steps []step
	}{
		"a window begins with its first request": {
			quota.Limit{Requests: 2, Unit: time.Minute, Algorithm: quota.FixedWindow}, []step{
				{17 * time.Second, true, 1, time.Minute},
				{20 * time.Second, true, 0, 40 * time.Second},
				{39 * time.Second, false, 0, time.Second},
				{time.Second, true, 1, time.Minute},
			},
		},
		"a limit of nothing": {
			quota.Limit{Requests: 0, Unit: time.Second, Algorithm: quota.FixedWindow}, []step{
				{0, false, 0, time.Second}, {time.Hour, false, 0, time.Second},
			},
		},
		"cells come one by one after the burst": {
			quota.Limit{Requests: 60, Unit: time.Minute, Burst: 2, Algorithm: quota.GCRA}, []step{
				{0, true, 1, time.Second},
				{0, true, 0, 2 * time.Second},
				{0, false, 0, time.Second},
				{999 * time.Millisecond, false, 0, time.Millisecond},
				{time.Millisecond, true, 0, 2 * time.Second},
				{10 * time.Second, true, 1, time.Second},
			},
		},
		"without a burst of its own, as many as in a unit": {
			quota.Limit{Requests: 3, Unit: 3 * time.Second, Algorithm: quota.GCRA}, []step{
				{0, true, 2, time.Second}, {0, true, 1, 2 * time.Second}, {0, true, 0, 3 * time.Second}, {0, false, 0, time.Second},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := &clock{time.Unix(1_700_000_000, 0)}
			store := quota.NewMemory(at.now, 0)
			for i, s := range c.steps {
				at.at = at.at.Add(s.wait)
				got, err := store.Take(t.Context(), []quota.Hit{{Key: "k", Limit: c.limit, N: 1}})
				require.NoError(t, err)
				assert.Equal(t, quota.Decision{Allowed: s.allowed, Remaining: s.left, Reset: s.reset}, got[0], "step %d", i)
			}
		})
	}
}

// A clock that jumps back gives nothing for free, and takes nothing for longer than the jump.
func TestClockJumpsBack(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []quota.Algorithm{quota.FixedWindow, quota.GCRA} {
		at := &clock{time.Unix(1_700_000_000, 0)}
		store := quota.NewMemory(at.now, 0)
		hit := []quota.Hit{{Key: "k", Limit: quota.Limit{Requests: 1, Unit: time.Minute, Algorithm: algorithm}, N: 1}}
		ask := func() bool {
			got, err := store.Take(t.Context(), hit)
			require.NoError(t, err)
			return got[0].Allowed
		}
		assert.True(t, ask())
		at.at = at.at.Add(-time.Hour)
		assert.False(t, ask(), algorithm)
		at.at = at.at.Add(time.Hour + time.Minute)
		assert.True(t, ask(), algorithm)
	}
}

func TestExactUnderConcurrency(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []quota.Algorithm{quota.FixedWindow, quota.GCRA} {
		exact(t, quota.NewMemory(func() time.Time { return time.Unix(1_700_000_000, 0) }, 0), algorithm)
	}
}

// exact has 16 callers ask 400 times each, against a limit of 1,000 for all and of 10 for each of 200 users.
func exact(t *testing.T, store quota.Store, algorithm quota.Algorithm) {
	t.Helper()
	all := quota.Limit{Requests: 1000, Unit: time.Hour, Algorithm: algorithm}
	each := quota.Limit{Requests: 10, Unit: time.Hour, Algorithm: algorithm}
	var passed atomic.Int64
	var users [200]atomic.Int64
	var running sync.WaitGroup
	for range 16 {
		running.Go(func() {
			for i := range 400 {
				user := i % len(users)
				got, err := store.Take(t.Context(), []quota.Hit{
					{Key: "all" + string(algorithm), Limit: all, N: 1}, {Key: "user" + string(algorithm) + strconv.Itoa(user), Limit: each, N: 1},
				})
				if !assert.NoError(t, err) {
					return
				}
				if got[0].Allowed && got[1].Allowed {
					passed.Add(1)
					users[user].Add(1)
				}
			}
		})
	}
	running.Wait()
	assert.EqualValues(t, 1000, passed.Load(), algorithm)
	for i := range users {
		assert.LessOrEqual(t, users[i].Load(), int64(10), algorithm)
	}
}

// A request that one limit refuses uses up nothing of another.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	store := quota.NewMemory(nil, 0)
	two := quota.Limit{Requests: 2, Unit: time.Hour, Algorithm: quota.FixedWindow}
	one := quota.Limit{Requests: 1, Unit: time.Hour, Algorithm: quota.FixedWindow}
	take := func(hits ...quota.Hit) []quota.Decision {
		got, err := store.Take(t.Context(), hits)
		require.NoError(t, err)
		return got
	}
	take(quota.Hit{Key: "all", Limit: two, N: 1}, quota.Hit{Key: "alice", Limit: one, N: 1})
	got := take(quota.Hit{Key: "all", Limit: two, N: 1}, quota.Hit{Key: "alice", Limit: one, N: 1})
	assert.False(t, got[1].Allowed)
	got = take(quota.Hit{Key: "all", Limit: two, N: 1}, quota.Hit{Key: "bob", Limit: one, N: 1})
	assert.True(t, got[0].Allowed && got[1].Allowed, "bob has the request that alice was refused")
}

func TestManyKeys(t *testing.T) {
	t.Parallel()
	at := &clock{time.Unix(1_700_000_000, 0)}
	store := quota.NewMemory(at.now, 2000)
	limit := quota.Limit{Requests: 1, Unit: time.Minute, Algorithm: quota.FixedWindow}
	take := func(key string) error {
		_, err := store.Take(t.Context(), []quota.Hit{{Key: key, Limit: limit, N: 1}})
		return err
	}
	for i := range 2000 {
		require.NoError(t, take(strconv.Itoa(i)))
	}
	require.ErrorIs(t, take("one more"), quota.ErrFull, "nobody's count is forgotten for another")
	at.at = at.at.Add(time.Minute)
	require.NoError(t, take("one more"), "counts that are over make room")
}

func BenchmarkMemory(b *testing.B) {
	store := quota.NewMemory(nil, 0)
	limit := quota.Limit{Requests: 1 << 30, Unit: time.Hour, Algorithm: quota.GCRA}
	b.RunParallel(func(pb *testing.PB) {
		hits := []quota.Hit{{Key: "k", Limit: limit, N: 1}}
		for pb.Next() {
			if _, err := store.Take(b.Context(), hits); err != nil {
				b.Fatal(err)
			}
		}
	})
}
