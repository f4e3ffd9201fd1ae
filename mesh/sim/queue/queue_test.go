package queue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFCFSServesInOrderOfArrival(t *testing.T) {
	q := NewFCFS(2, 20)
	require.Equal(t, Starts, q.Arrive(0))
	require.Equal(t, Starts, q.Arrive(1))
	next, in := uint32(2), uint32(2)
	for round := range 100 { // the ring goes round and grows while it does
		for q.Waiting() < 20 && (round%3 > 0 || q.Waiting() < 5) {
			require.Equal(t, Waits, q.Arrive(in))
			in++
		}
		if q.Waiting() == 20 {
			require.Equal(t, Refused, q.Arrive(1_000_000))
		}
		for range 3 {
			who, ok := q.Done()
			require.True(t, ok)
			require.Equal(t, next, who)
			next++
		}
	}
	for q.Waiting() > 0 {
		who, _ := q.Done()
		require.Equal(t, next, who)
		next++
	}
	require.Equal(t, in, next)
	require.Equal(t, 2, q.Busy())
	for range 2 {
		_, ok := q.Done()
		require.False(t, ok)
	}
	require.Zero(t, q.Busy())
	require.Panics(t, func() { q.Done() })
}

func TestRoomIsForThoseWhoWait(t *testing.T) {
	q := NewFCFS(1, 0)
	require.Equal(t, Starts, q.Arrive(0))
	require.Equal(t, Refused, q.Arrive(1))
	q.Done()
	require.Equal(t, Starts, q.Arrive(2))
	q = NewFCFS(1, Unbounded)
	q.Arrive(0)
	for i := range uint32(10_000) {
		require.Equal(t, Waits, q.Arrive(i))
	}
	require.Panics(t, func() { NewFCFS(0, 1) })
}

// One processor: a needs 10 s and has 4 s of it when b comes, who needs 3 s. They share until b has its 3 s, at 10 s; a has 7 s then,
// and the last 3 s alone.
func TestSharingByHand(t *testing.T) {
	const a, b = 1, 2
	s := NewSharing(1)
	_, ok := s.Next()
	require.False(t, ok)
	expect := func(want time.Duration) {
		t.Helper()
		at, ok := s.Next()
		require.True(t, ok)
		require.Equal(t, want, at)
	}
	s.Arrive(0, a, 10*time.Second)
	expect(10 * time.Second)
	s.Arrive(4*time.Second, b, 3*time.Second)
	expect(10 * time.Second)
	require.EqualValues(t, b, s.Done(10*time.Second))
	expect(13 * time.Second)
	require.EqualValues(t, a, s.Done(13*time.Second))
	require.Zero(t, s.Jobs())
	s.Arrive(20*time.Second, b, time.Second)
	expect(21 * time.Second)
}

// Three jobs on two processors go at two thirds of their speed, two at full speed. Who came first goes first when two end together.
func TestSharingOnTwoProcessors(t *testing.T) {
	s := NewSharing(2)
	s.Arrive(0, 7, 2*time.Second)
	s.Arrive(0, 8, 2*time.Second)
	s.Arrive(0, 9, 4*time.Second)
	at, _ := s.Next()
	require.Equal(t, 3*time.Second, at)
	require.EqualValues(t, 7, s.Done(at))
	again, _ := s.Next()
	require.Equal(t, at, again)
	require.EqualValues(t, 8, s.Done(at))
	at, _ = s.Next()
	require.Equal(t, 5*time.Second, at)
	require.EqualValues(t, 9, s.Done(at))
	require.Panics(t, func() { NewSharing(0) })
}

func TestJobsThatEndTogetherGoInOrderOfArrival(t *testing.T) {
	s := NewSharing(1)
	for who := range uint32(20) {
		s.Arrive(0, who, time.Second)
	}
	for who := range uint32(20) {
		at, _ := s.Next()
		require.Equal(t, 20*time.Second, at)
		require.Equal(t, who, s.Done(at))
	}
}

// A nanosecond is lost beside years in a floating-point number, unless an empty station starts anew.
func TestAStationKeepsItsPrecision(t *testing.T) {
	s := NewSharing(1)
	s.Arrive(0, 0, 1<<60)
	at, _ := s.Next()
	s.Done(at)
	s.Arrive(at, 1, 1)
	next, _ := s.Next()
	require.Equal(t, at+1, next)
}
