package bookinfo

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// ratingsAnswer is what ratings answers, and keeps of what is posted to v1.
type ratingsAnswer struct {
	ID      int            `json:"id"`
	Ratings map[string]int `json:"ratings"`
}

// ratings serves stars. SERVICE_VERSION chooses how well:
//
//	v1             from memory
//	v2…            from a database, as far as it can be reached (see database)
//	v-faulty       half of the answers 503
//	v-delayed      half of the answers 7 s late
//	v-unavailable  60 s fine, then 60 s 503, and so on
//	v-unhealthy    15 min fine, then 15 min 503 with /health 500, and so on
type ratings struct {
	*service
	version string
	started time.Time
	db      *database // nil: from memory

	mu    sync.Mutex
	draws *rand.Rand
	added map[int]map[string]int // what was posted, by product
}

func newRatings(s *service) (http.Handler, error) {
	v := &ratings{
		service: s, version: s.Env("SERVICE_VERSION"), started: s.Now(),
		draws: rand.New(rand.NewPCG(s.Seed, 0)), //nolint:gosec // repeatable faults, not secrets
		added: map[int]map[string]int{},
	}
	var err error
	if v.db, err = newDatabase(v.version, s.Env, s.Timeouts.Database); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", v.health)
	mux.HandleFunc("GET /ratings/{id}", v.get)
	mux.HandleFunc("POST /ratings/{id}", v.post)
	return mux, nil
}

func (v *ratings) health(w http.ResponseWriter, _ *http.Request) {
	if v.version == "v-unhealthy" && v.down(v.Timeouts.Unhealthy) {
		writeJSON(w, http.StatusInternalServerError, health{"Ratings is not healthy"})
		return
	}
	writeJSON(w, http.StatusOK, health{"Ratings is healthy"})
}

func (v *ratings) get(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		writeJSON(w, http.StatusBadRequest, failure{"please provide numeric product ID"})
		return
	}
	if v.db != nil {
		status, err := v.db.reach(r.Context())
		writeJSON(w, status, failure{err.Error()})
		return
	}
	if v.unavailable() {
		writeJSON(w, http.StatusServiceUnavailable, failure{"Service unavailable"})
		return
	}
	if v.version == "v-delayed" && v.half() && !v.wait(r.Context(), v.Timeouts.Delayed) {
		return
	}
	writeJSON(w, http.StatusOK, ratingsAnswer{ID: id, Ratings: v.of(id)})
}

func (v *ratings) post(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		writeJSON(w, http.StatusBadRequest, failure{"please provide numeric product ID"})
		return
	}
	var posted map[string]int
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(body, &posted)
	}
	switch {
	case err != nil || posted == nil:
		writeJSON(w, http.StatusBadRequest, failure{"please provide valid ratings JSON"})
	case v.db != nil:
		writeJSON(w, http.StatusNotImplemented, failure{"Post not implemented for database backed ratings"})
	default:
		v.mu.Lock()
		v.added[id] = posted
		v.mu.Unlock()
		writeJSON(w, http.StatusOK, ratingsAnswer{ID: id, Ratings: posted})
	}
}

// of returns the stars of a product: what was posted last, else the built-in ones.
func (v *ratings) of(id int) map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	if m, ok := v.added[id]; ok {
		return maps.Clone(m)
	}
	return map[string]int{"Reviewer1": 5, "Reviewer2": 4}
}

func (v *ratings) unavailable() bool {
	switch v.version {
	case "v-faulty":
		return v.half()
	case "v-unavailable":
		return v.down(v.Timeouts.Unavailable)
	case "v-unhealthy":
		return v.down(v.Timeouts.Unhealthy)
	default:
		return false
	}
}

// half is true half of the time, in a sequence that the seed decides.
func (v *ratings) half() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.draws.Uint64()&1 == 1
}

// down is true in every second span of length d since the start.
func (v *ratings) down(d time.Duration) bool {
	return v.Now().Sub(v.started)/d%2 == 1
}

// wait returns false when the caller left or the service ended before d had passed.
func (v *ratings) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-v.life.Done():
	}
	return false
}
