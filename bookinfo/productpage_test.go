package bookinfo_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/bookinfo"
)

const okReviews = `{"id":"0","podname":"reviews-v9","clustername":null,"reviews":[]}`

// shop starts the whole app with one version of reviews and returns the page's base URL.
func shop(t *testing.T, version, color string) string {
	t.Helper()
	ratings := start(t, "ratings", env{"SERVICE_VERSION": "v1"}, bookinfo.Options{})
	e := env{"SERVICE_VERSION": version, "HOSTNAME": "reviews-" + version}.at("ratings", ratings)
	if color != "" {
		e["ENABLE_RATINGS"], e["STAR_COLOR"] = "true", color
	}
	reviews := start(t, "reviews", e, bookinfo.Options{})
	details := start(t, "details", env{}, bookinfo.Options{})
	return "http://" + start(t, "productpage", env{}.at("details", details).at("reviews", reviews).at("ratings", ratings), bookinfo.Options{})
}

func TestThePageShowsTheStarsOfEachVersionOfReviews(t *testing.T) {
	for _, v := range []struct {
		version, color string
		stars          int // full ones
	}{{"v1", "", 0}, {"v2", "black", 9}, {"v3", "red", 9}} {
		t.Run(v.version, func(t *testing.T) {
			p := get(t, shop(t, v.version, v.color)+"/productpage")
			require.Equal(t, http.StatusOK, p.status)
			require.Equal(t, v.stars, strings.Count(p.body, `glyphicon glyphicon-star"`))
			require.Equal(t, v.stars > 0, strings.Contains(p.body, "glyphicon glyphicon-star"))
			if v.color != "" {
				require.Contains(t, p.body, "color: "+v.color)
			}
			require.Contains(t, p.body, "Reviews served by: <b>reviews-"+v.version+"</b>")
			require.Contains(t, p.body, "William Shakespeare")
			require.NotContains(t, p.body, "Error fetching")
			require.NotContains(t, p.body, "http://", "no asset from elsewhere")
		})
	}
}

func TestThePageIsThereWithoutItsServices(t *testing.T) {
	broken := stub(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	page := "http://" + start(t, "productpage", env{}.at("details", broken).at("reviews", broken).at("ratings", broken), bookinfo.Options{})

	p := get(t, page+"/productpage")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, "Error fetching product details")
	require.Contains(t, p.body, "Error fetching product reviews")
	require.Contains(t, p.body, "Sorry, product reviews are currently unavailable for this book.")

	for path, body := range map[string]string{
		"":         `{"error":"Sorry, product details are currently unavailable for this book."}`,
		"/reviews": `{"error":"Sorry, product reviews are currently unavailable for this book."}`,
		"/ratings": `{"error":"Sorry, product ratings are currently unavailable for this book."}`,
	} {
		r := get(t, page+"/api/v1/products/0"+path)
		require.Equal(t, http.StatusServiceUnavailable, r.status)
		require.JSONEq(t, body, r.body)
	}

	m := get(t, page+"/metrics").body
	require.Contains(t, m, `request_result_total{destination_app="details",response_code="503"} 2`+"\n")
	require.Contains(t, m, `request_result_total{destination_app="reviews",response_code="503"} 4`+"\n")
}

func TestProductPageAPI(t *testing.T) {
	page := shop(t, "v3", "red")
	require.Equal(t, "Product page is healthy", get(t, page+"/health").body)
	require.Contains(t, get(t, page+"/").body, `href="/productpage"`)
	require.Contains(t, get(t, page+"/api/v1/products").body, `"title":"The Comedy of Errors"`)
	require.EqualValues(t, 1595, decode(t, get(t, page+"/api/v1/products/0").body)["year"])
	require.Equal(t, "reviews-v3", decode(t, get(t, page+"/api/v1/products/0/reviews").body)["podname"])
	require.JSONEq(t, `{"id":7,"ratings":{"Reviewer1":5,"Reviewer2":4}}`, get(t, page+"/api/v1/products/7/ratings").body)
	require.Equal(t, http.StatusNotFound, get(t, page+"/api/v1/products/seven").status)
	require.Equal(t, http.StatusNotFound, get(t, page+"/nowhere").status)
}

func TestReviewsAreAskedTwiceAtMost(t *testing.T) {
	for name, c := range map[string]struct {
		failures, calls int
		found           bool
	}{"first": {0, 1, true}, "second": {1, 2, true}, "never": {9, 2, false}} {
		t.Run(name, func(t *testing.T) {
			var seen recorder
			reviews := stub(t, func(w http.ResponseWriter, r *http.Request) {
				if seen.record(r) <= c.failures {
					w.WriteHeader(http.StatusBadGateway)
				}
				_, _ = w.Write([]byte(okReviews))
			})
			details := start(t, "details", env{}, bookinfo.Options{})
			page := start(t, "productpage", env{}.at("details", details).at("reviews", reviews), bookinfo.Options{})
			p := get(t, "http://"+page+"/productpage")
			require.Equal(t, c.found, strings.Contains(p.body, "Reviews served by: <b>reviews-v9</b>"))
			require.Len(t, seen.all(), c.calls)
		})
	}
}

// The planted bug, a hundred times as fast: ratings takes 70 ms, which reviews v2 would wait out, but productpage gives
// up after 30 ms, twice.
func TestSlowRatingsCostThePageItsReviews(t *testing.T) {
	short := bookinfo.Timeouts{
		Reviews: 30 * time.Millisecond, BlackStars: 10 * time.Second, Details: soon,
	}
	asked, answer := make(chan struct{}, 2), make(chan struct{})
	finished := make(chan error, 2)
	ratings := stub(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-answer
		finished <- r.Context().Err()
		_, _ = fmt.Fprint(w, `{"id":0,"ratings":{"Reviewer1":5,"Reviewer2":4}}`)
	})
	reviews := start(t, "reviews", env{"ENABLE_RATINGS": "true", "STAR_COLOR": "black"}.at("ratings", ratings), bookinfo.Options{Timeouts: short})
	details := start(t, "details", env{}, bookinfo.Options{})
	page := start(t, "productpage", env{}.at("details", details).at("reviews", reviews), bookinfo.Options{Timeouts: short})

	began := time.Now()
	p := get(t, "http://"+page+"/productpage")
	require.GreaterOrEqual(t, time.Since(began), 2*short.Reviews, "both tries run into the time-out")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, "Error fetching product reviews")
	require.NotContains(t, p.body, "Error fetching product details")

	// Both calls to ratings are still on: reviews did not give up when productpage left.
	<-asked
	<-asked
	close(answer)
	require.NoError(t, <-finished)
	require.NoError(t, <-finished)
}

func TestLoginMakesTheUserKnownToTheServices(t *testing.T) {
	var seen recorder
	svc := stub(t, func(w http.ResponseWriter, r *http.Request) {
		seen.record(r)
		_, _ = w.Write([]byte(okReviews))
	})
	page := "http://" + start(t, "productpage", env{}.at("details", svc).at("reviews", svc), bookinfo.Options{})

	form := url.Values{"username": {"jason"}, "passwd": {"jason"}}.Encode()
	in := send(t, http.MethodPost, page+"/login", form, http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Referer": {page + "/productpage"},
	})
	require.Equal(t, http.StatusFound, in.status)
	require.Equal(t, "/productpage", in.header.Get("Location"))
	cookie, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")

	p := send(t, http.MethodGet, page+"/productpage", "", http.Header{"Cookie": {cookie}})
	require.Contains(t, p.body, "Signed in as <b>jason</b>")
	require.Len(t, seen.all(), 2)
	for _, h := range seen.all() {
		require.Equal(t, "jason", h.Get("End-User"))
	}

	out := send(t, http.MethodGet, page+"/logout", "", http.Header{"Cookie": {cookie}, "Referer": {"http://127.0.0.1//elsewhere"}})
	require.Equal(t, http.StatusFound, out.status)
	require.Equal(t, "/elsewhere", out.header.Get("Location"), "a path of this site")
	require.Contains(t, out.header.Get("Set-Cookie"), "Max-Age=0")
	require.NotContains(t, get(t, page+"/productpage").body, "Signed in")
}

func TestHeadersArePassedOn(t *testing.T) {
	var seen recorder
	ratings := stub(t, func(_ http.ResponseWriter, r *http.Request) { seen.record(r) })
	reviews := start(t, "reviews", env{"ENABLE_RATINGS": "true"}.at("ratings", ratings), bookinfo.Options{})
	details := start(t, "details", env{}, bookinfo.Options{})
	page := start(t, "productpage", env{}.at("details", details).at("reviews", reviews), bookinfo.Options{})

	want := http.Header{}
	for i, name := range bookinfo.PassedHeaders() {
		want.Set(name, fmt.Sprintf("value-%d", i))
	}
	require.Len(t, want, 21)
	sent := want.Clone()
	sent.Set("X-Private", "stays here")
	send(t, http.MethodGet, "http://"+page+"/productpage", "", sent)

	require.Len(t, seen.all(), 1)
	got := seen.all()[0]
	require.Empty(t, got.Get("X-Private"))
	for name := range want {
		require.Equal(t, want[name], got[name], name)
	}
}

func TestFlooding(t *testing.T) {
	var seen recorder
	reviews := stub(t, func(w http.ResponseWriter, r *http.Request) {
		seen.record(r)
		_, _ = w.Write([]byte(okReviews))
	})
	details := start(t, "details", env{}, bookinfo.Options{})
	page := start(t, "productpage", env{"FLOOD_FACTOR": "20"}.at("details", details).at("reviews", reviews), bookinfo.Options{})
	get(t, "http://"+page+"/productpage")
	require.Len(t, seen.all(), 21)
}

func TestCallsGoThroughTheProxy(t *testing.T) {
	for _, name := range []string{"HTTP_PROXY", "http_proxy"} {
		t.Run(name, func(t *testing.T) {
			details := start(t, "details", env{}, bookinfo.Options{})
			reviews := stub(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(okReviews)) })
			seen := make(chan string, 2)
			sidecar := proxy(t, map[string]string{"details.shop.test:9080": details, "reviews.shop.test:9080": reviews}, seen)
			page := start(t, "productpage", env{name: "http://" + sidecar, "SERVICES_DOMAIN": "shop.test"}, bookinfo.Options{})
			p := get(t, "http://"+page+"/productpage")
			require.NotContains(t, p.body, "Error fetching")
			require.Equal(t, "http://details.shop.test:9080/details/0", <-seen)
			require.Equal(t, "http://reviews.shop.test:9080/reviews/0", <-seen)
		})
	}
	t.Run("not for NO_PROXY", func(t *testing.T) {
		seen := make(chan string, 3)
		sidecar := proxy(t, nil, seen)
		page := start(t, "productpage", env{"HTTP_PROXY": sidecar, "NO_PROXY": "details.invalid", "DETAILS_HOSTNAME": "details.invalid"}, bookinfo.Options{})
		require.Equal(t, http.StatusInternalServerError, get(t, "http://"+page+"/api/v1/products/0").status)
		require.Empty(t, seen)
	})
}

func TestBadEnvironmentIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		role string
		env  env
		want string
	}{
		"flood":   {"productpage", env{"FLOOD_FACTOR": "many"}, "FLOOD_FACTOR"},
		"port":    {"reviews", env{"RATINGS_SERVICE_PORT": "x"}, "RATINGS_SERVICE_PORT"},
		"proxy":   {"reviews", env{"HTTP_PROXY": "ftp://127.0.0.1"}, "HTTP_PROXY"},
		"mongo":   {"ratings", env{"SERVICE_VERSION": "v2"}, "MONGO_DB_URL"},
		"mysql":   {"ratings", env{"SERVICE_VERSION": "v2-mysql", "DB_TYPE": "mysql"}, "MYSQL_DB_HOST"},
		"control": {"details", env{}, "control socket"},
		"role":    {"cart", env{}, "no such role"},
		"address": {"details", env{}, "no address"},
	} {
		t.Run(name, func(t *testing.T) {
			o := bookinfo.Options{Listen: "127.0.0.1:0", Env: c.env.get}
			switch name {
			case "control":
				o.Control = "x.sock"
			case "address":
				o.Listen = ""
			}
			require.ErrorContains(t, bookinfo.Serve(t.Context(), c.role, o), c.want)
		})
	}
}

func TestPortsMayBeURLs(t *testing.T) {
	ratings := start(t, "ratings", env{}, bookinfo.Options{})
	e := env{"ENABLE_RATINGS": "true"}.at("ratings", ratings)
	e["RATINGS_SERVICE_PORT"] = "tcp://198.18.32.7:" + e["RATINGS_SERVICE_PORT"]
	reviews := start(t, "reviews", e, bookinfo.Options{})
	require.Contains(t, get(t, "http://"+reviews+"/reviews/0").body, `"stars":5`)
}

func TestServeEndsInBoundedTimeWithACallInFlight(t *testing.T) {
	asked := make(chan struct{})
	release := make(chan struct{})
	ratings := stub(t, func(http.ResponseWriter, *http.Request) { close(asked); <-release })
	defer close(release)
	e := env{"ENABLE_RATINGS": "true"}.at("ratings", ratings)
	s, err := bookinfo.Listen(t.Context(), "reviews", bookinfo.Options{Listen: "127.0.0.1:0", Env: e.get, Grace: time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addrs()["http"].String()+"/reviews/0", nil)
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-asked
	cancel()
	require.NoError(t, <-done)
	<-gone
}
