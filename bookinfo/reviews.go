package bookinfo

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// reviewsAnswer is what reviews answers.
type reviewsAnswer struct {
	ID          string   `json:"id"`
	PodName     string   `json:"podname"`
	ClusterName *string  `json:"clustername"`
	Reviews     []review `json:"reviews"`
}

type review struct {
	Reviewer string  `json:"reviewer"`
	Text     string  `json:"text"`
	Rating   *rating `json:"rating,omitempty"` // absent in v1
}

// rating is either stars and their colour or an error.
type rating struct {
	Stars int    `json:"stars,omitempty"`
	Color string `json:"color,omitempty"`
	Error string `json:"error,omitempty"`
}

type reviews struct {
	*service
	ratings string        // URL that a product's number is appended to; empty: no stars
	color   string        // of the stars
	timeout time.Duration // of the call to ratings
}

func newReviews(s *service) (http.Handler, error) {
	v := &reviews{service: s, color: cmp.Or(s.Env("STAR_COLOR"), "black"), timeout: s.Timeouts.RedStars}
	if v.color == "black" {
		v.timeout = s.Timeouts.BlackStars
	}
	base, err := upstream(s.Env, "ratings")
	if err != nil {
		return nil, err
	}
	if s.flag("ENABLE_RATINGS") {
		v.ratings = base + "/ratings/"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, health{"Reviews is healthy"})
	})
	mux.HandleFunc("GET /reviews/{id}", v.get)
	return mux, nil
}

func (v *reviews) get(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	a := reviewsAnswer{
		ID: strconv.Itoa(id), PodName: v.name(),
		Reviews: []review{
			{Reviewer: "Reviewer1", Text: "Two pairs of twins, one town, no dull minute. I laughed from the first mix-up to the last."},
			{Reviewer: "Reviewer2", Text: "A quick, merry read. Do not look for depth here, look for doors that open at the wrong time."},
		},
	}
	if name := v.Env("CLUSTER_NAME"); name != "" {
		a.ClusterName = &name
	}
	if v.ratings != "" {
		v.rate(r, id, a.Reviews)
	}
	writeJSON(w, http.StatusOK, a)
}

// rate adds the stars, or the reason why there are none; a ratings service in trouble never makes reviews fail.
func (v *reviews) rate(r *http.Request, id int, list []review) {
	stars, err := v.stars(r, id)
	if err != nil {
		v.log.WarnContext(r.Context(), "ratings", "err", err)
	}
	for i := range list {
		list[i].Rating = &rating{Error: "Ratings service is currently unavailable"}
		if n, ok := stars[list[i].Reviewer]; ok {
			list[i].Rating = &rating{Stars: n, Color: v.color}
		}
	}
}

func (v *reviews) stars(r *http.Request, id int) (map[string]int, error) {
	a, err := v.out.get(r.Context(), v.ratings+strconv.Itoa(id), passOn(r), v.timeout)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, fmt.Errorf("ratings answered %d", a.status)
	}
	var body struct {
		Ratings map[string]int `json:"ratings"`
		Error   string         `json:"error"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, fmt.Errorf("ratings: %w", err)
	}
	if body.Error != "" {
		return nil, errors.New("ratings: " + body.Error)
	}
	return body.Ratings, nil
}
