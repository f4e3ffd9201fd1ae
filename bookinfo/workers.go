package bookinfo

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/squallmesh/squall/bookinfo/internal/crew"
)

// maxWorkers bounds WORKERS.
const maxWorkers = 1000

// Workers reads the capacity of a service from its environment: WORKERS is how many requests are worked on at a time, WORK for how long
// each, before it is answered. Others stand in line, first come first served, and what was taken is worked on to its end even if its caller
// has left. n is 0 where the environment says nothing: then there is no limit and no work.
func Workers(env func(string) string) (n int, work time.Duration, err error) {
	if env == nil || env("WORKERS") == "" && env("WORK") == "" {
		return 0, 0, nil
	}
	if n, err = strconv.Atoi(env("WORKERS")); err != nil || n < 1 || n > maxWorkers {
		return 0, 0, fmt.Errorf("environment WORKERS: %q is not a number from 1 to %d", env("WORKERS"), maxWorkers)
	}
	if work, err = time.ParseDuration(env("WORK")); err != nil || work <= 0 || work > time.Minute {
		return 0, 0, fmt.Errorf("environment WORK: %q is not a time above 0 and up to 1m, such as 50ms", env("WORK"))
	}
	return n, work, nil
}

// limited has requests wait for the service's workers, if it has some.
func limited(s *service, h http.Handler) (http.Handler, error) {
	n, work, err := Workers(s.Env)
	if err != nil || n == 0 {
		return h, err
	}
	var mu sync.Mutex
	var line crew.Crew
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		wait := line.Take(time.Now(), n, work)
		mu.Unlock()
		if err := sleep(r.Context(), wait); err != nil {
			return // its caller has left; the worker works on
		}
		h.ServeHTTP(w, r)
	}), nil
}

// sleep waits, unless ctx ends before.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
