package bookinfo

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"sync"
	"time"
)

//go:embed page.html
var pageHTML string

// product is an entry of the shop. There is one, whatever number is asked for.
type product struct {
	ID              int    `json:"id"`
	Title           string `json:"title"`
	DescriptionHTML string `json:"descriptionHtml"`
}

func theProduct() product {
	return product{
		ID: 0, Title: "The Comedy of Errors",
		DescriptionHTML: "An early farce by <b>William Shakespeare</b>, and his shortest play: two pairs of twins, " +
			"parted as babies, come to the same town on the same day, and everyone mistakes everyone.",
	}
}

// The errors that productpage's API answers and its page shows.
const (
	noDetails = "Sorry, product details are currently unavailable for this book."
	noReviews = "Sorry, product reviews are currently unavailable for this book."
	noRatings = "Sorry, product ratings are currently unavailable for this book."
)

type productPage struct {
	*service
	details, reviews, ratings string // base URLs
	flood                     int    // more calls to reviews per page
	page                      *template.Template
	calls                     counter
}

func newProductPage(s *service) (http.Handler, error) {
	p := &productPage{service: s}
	for name, to := range map[string]*string{"details": &p.details, "reviews": &p.reviews, "ratings": &p.ratings} {
		base, err := upstream(s.Env, name)
		if err != nil {
			return nil, err
		}
		*to = base + "/" + name + "/"
	}
	if v := s.Env("FLOOD_FACTOR"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > maxFlood {
			return nil, fmt.Errorf("environment FLOOD_FACTOR: %q is not a number from 0 to %d", v, maxFlood)
		}
		p.flood = n
	}
	var err error
	if p.page, err = template.New("page").Funcs(template.FuncMap{"upTo": upTo}).Parse(pageHTML); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET /productpage", p.show)
	mux.HandleFunc("POST /login", p.login)
	mux.HandleFunc("GET /logout", p.logout)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("Product page is healthy"))
	})
	mux.HandleFunc("GET /metrics", p.metrics)
	mux.HandleFunc("GET /api/v1/products", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, []product{theProduct()})
	})
	mux.HandleFunc("GET /api/v1/products/{id}", p.api(p.getDetails))
	mux.HandleFunc("GET /api/v1/products/{id}/reviews", p.api(p.getReviews))
	mux.HandleFunc("GET /api/v1/products/{id}/ratings", p.api(p.getRatings))
	return mux, nil
}

// maxFlood bounds FLOOD_FACTOR: more calls per page than this would exhaust the ports of a machine, not of a mesh.
const maxFlood = 1000

// upTo returns 1 … n and at most five, for drawing stars.
func upTo(n int) []int {
	s := make([]int, max(0, min(n, 5)))
	for i := range s {
		s[i] = i + 1
	}
	return s
}

// fetched is a service's answer as the page needs it: with status 200 the body, else the error to show.
type fetched struct {
	status int
	body   json.RawMessage
	err    string
}

func (f fetched) ok() bool { return f.status == http.StatusOK }

// fetch calls a service up to tries times, until it answers 200 with JSON.
func (p *productPage) fetch(ctx context.Context, h http.Header, c call) fetched {
	f := fetched{err: c.sorry}
	for range c.tries {
		a, err := p.out.get(ctx, c.url, h.Clone(), c.timeout)
		f.status = a.status
		switch {
		case err != nil:
			f.status = http.StatusInternalServerError
			p.log.WarnContext(ctx, "call failed", "to", c.name, "err", err)
		case a.status == http.StatusOK && !json.Valid(a.body):
			f.status = http.StatusInternalServerError
			p.log.WarnContext(ctx, "call failed", "to", c.name, "err", "answer is not JSON")
		case a.status != http.StatusOK:
			p.log.WarnContext(ctx, "call failed", "to", c.name, "status", a.status)
		}
		p.calls.add(c.name, f.status)
		if f.ok() {
			return fetched{status: f.status, body: a.body}
		}
	}
	return f
}

// call is one service to fetch from.
type call struct {
	name, url string
	tries     int
	timeout   time.Duration // of each try
	sorry     string
}

func (p *productPage) getDetails(ctx context.Context, id int, h http.Header) fetched {
	return p.fetch(ctx, h, call{"details", p.details + strconv.Itoa(id), 1, p.Timeouts.Details, noDetails})
}

func (p *productPage) getReviews(ctx context.Context, id int, h http.Header) fetched {
	return p.fetch(ctx, h, call{"reviews", p.reviews + strconv.Itoa(id), 2, p.Timeouts.Reviews, noReviews})
}

func (p *productPage) getRatings(ctx context.Context, id int, h http.Header) fetched {
	return p.fetch(ctx, h, call{"ratings", p.ratings + strconv.Itoa(id), 1, p.Timeouts.Ratings, noRatings})
}

// floodReviews makes FLOOD_FACTOR calls to reviews at once and forgets their answers.
func (p *productPage) floodReviews(ctx context.Context, id int, h http.Header) {
	var wg sync.WaitGroup
	for range p.flood {
		wg.Go(func() { p.getReviews(ctx, id, h) })
	}
	wg.Wait()
}

// api answers what a service answers, or its error with its status.
func (p *productPage) api(get func(context.Context, int, http.Header) fetched) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		f := get(r.Context(), id, p.headers(r))
		if !f.ok() {
			writeJSON(w, f.status, failure{f.err})
			return
		}
		writeJSON(w, http.StatusOK, f.body)
	}
}

// view is what the template gets.
type view struct {
	Index        bool
	User         string
	Product      product
	Description  template.HTML
	Details      book
	DetailsError string
	Reviews      reviewsAnswer
	ReviewsError string
}

func newView(user string) view {
	b := theProduct()
	return view{User: user, Product: b, Description: template.HTML(b.DescriptionHTML)} //nolint:gosec // a constant
}

func (p *productPage) index(w http.ResponseWriter, r *http.Request) {
	v := newView(user(r))
	v.Index = true
	p.render(w, r, v)
}

// show answers 200 whatever became of details and reviews.
func (p *productPage) show(w http.ResponseWriter, r *http.Request) {
	v := newView(user(r))
	h := p.headers(r)
	d := p.getDetails(r.Context(), v.Product.ID, h)
	if p.flood > 0 {
		p.floodReviews(r.Context(), v.Product.ID, h)
	}
	s := p.getReviews(r.Context(), v.Product.ID, h)
	v.DetailsError, v.ReviewsError = d.err, s.err
	if d.ok() && json.Unmarshal(d.body, &v.Details) != nil {
		v.DetailsError = noDetails
	}
	if s.ok() && json.Unmarshal(s.body, &v.Reviews) != nil {
		v.ReviewsError = noReviews
	}
	p.render(w, r, v)
}

func (p *productPage) render(w http.ResponseWriter, r *http.Request, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := p.page.Execute(w, v); err != nil {
		p.log.WarnContext(r.Context(), "page", "err", err)
	}
}
