package bookinfo_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/bookinfo"
)

func TestRolesAreSortedAndExplained(t *testing.T) {
	roles := bookinfo.Roles()
	require.True(t, slices.IsSortedFunc(roles, func(a, b bookinfo.Role) int { return strings.Compare(a.Name, b.Name) }))
	var names []string
	for _, r := range roles {
		names = append(names, r.Name)
		require.NotEmpty(t, r.Help)
		require.NotContains(t, r.Help, "\n")
	}
	require.Equal(t, []string{"backend", "details", "productpage", "ratings", "reviews", "tcp-echo"}, names)
}

func TestDetails(t *testing.T) {
	d := "http://" + start(t, "details", env{}, bookinfo.Options{})
	require.JSONEq(t, `{"status":"Details is healthy"}`, get(t, d+"/health").body)
	b := decode(t, get(t, d+"/details/3").body)
	require.EqualValues(t, 3, b["id"])
	require.Equal(t, "William Shakespeare", b["author"])
	bad := get(t, d+"/details/three")
	require.Equal(t, http.StatusBadRequest, bad.status)
	require.JSONEq(t, `{"error":"please provide numeric product id"}`, bad.body)
}

func TestDetailsV2AsksTheBookService(t *testing.T) {
	found := `{"items":[{"volumeInfo":{"authors":["W. S."],"publisher":"P","publishedDate":"2002","pageCount":64,
		"printType":"BOOK","language":"en","industryIdentifiers":[{"type":"ISBN_10","identifier":"0486424618"}]}}]}`
	var answer atomic.Value
	answer.Store(found)
	books := stub(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, answer.Load()) })
	seen := make(chan string, 2)
	sidecar := proxy(t, map[string]string{"www.googleapis.com": books}, seen)
	d := "http://" + start(t, "details", env{
		"ENABLE_EXTERNAL_BOOK_SERVICE": "true", "DO_NOT_ENCRYPT": "true", "HTTP_PROXY": sidecar,
	}, bookinfo.Options{})

	require.JSONEq(t, `{"id":0,"author":"W. S.","year":"2002","type":"paperback","pages":64,"publisher":"P","language":"English",
		"ISBN-10":"0486424618","ISBN-13":""}`, get(t, d+"/details/0").body)
	require.Equal(t, "http://www.googleapis.com/books/v1/volumes?q=isbn:0486424618", <-seen)
	answer.Store(`{"items":[]}`)
	require.Equal(t, http.StatusBadGateway, get(t, d+"/details/0").status)
}

func TestReviews(t *testing.T) {
	v1 := "http://" + start(t, "reviews", env{"HOSTNAME": "reviews-v1-abc", "CLUSTER_NAME": "east"}, bookinfo.Options{})
	require.JSONEq(t, `{"status":"Reviews is healthy"}`, get(t, v1+"/health").body)
	r := decode(t, get(t, v1+"/reviews/0").body)
	require.Equal(t, "reviews-v1-abc", r["podname"])
	require.Equal(t, "east", r["clustername"])
	require.Len(t, r["reviews"], 2)
	require.NotContains(t, fmt.Sprint(r["reviews"]), "rating")
	require.Equal(t, http.StatusNotFound, get(t, v1+"/reviews/zero").status)
}

func TestReviewsSurviveTheirRatings(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"503":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"error in a 200":  func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"error":"no database"}`) },
		"no JSON":         func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `<html>`) },
		"later than 2.5s": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			var log logs
			o := bookinfo.Options{Log: &log, Timeouts: bookinfo.Timeouts{RedStars: 50 * time.Millisecond}}
			v3 := start(t, "reviews", env{"ENABLE_RATINGS": "true", "STAR_COLOR": "red"}.at("ratings", stub(t, h)), o)
			r := get(t, "http://"+v3+"/reviews/0")
			require.Equal(t, http.StatusOK, r.status)
			require.Equal(t, 2, strings.Count(r.body, `"rating":{"error":"Ratings service is currently unavailable"}`))
			require.Contains(t, log.String(), "service=reviews")
		})
	}
}

func TestRatingsV1KeepsWhatIsPosted(t *testing.T) {
	r := "http://" + start(t, "ratings", env{"SERVICE_VERSION": "v1"}, bookinfo.Options{})
	require.JSONEq(t, `{"status":"Ratings is healthy"}`, get(t, r+"/health").body)
	require.JSONEq(t, `{"id":0,"ratings":{"Reviewer1":5,"Reviewer2":4}}`, get(t, r+"/ratings/0").body)
	posted := send(t, http.MethodPost, r+"/ratings/0", `{"Reviewer1":1}`, nil)
	require.Equal(t, http.StatusOK, posted.status)
	require.JSONEq(t, `{"id":0,"ratings":{"Reviewer1":1}}`, posted.body)
	require.JSONEq(t, posted.body, get(t, r+"/ratings/0").body)
	require.JSONEq(t, `{"id":1,"ratings":{"Reviewer1":5,"Reviewer2":4}}`, get(t, r+"/ratings/1").body)

	for _, bad := range []string{"", "null", "[1]", `{"Reviewer1":"x"}`} {
		a := send(t, http.MethodPost, r+"/ratings/0", bad, nil)
		require.Equal(t, http.StatusBadRequest, a.status, bad)
		require.JSONEq(t, `{"error":"please provide valid ratings JSON"}`, a.body)
	}
	require.JSONEq(t, `{"error":"please provide numeric product ID"}`, get(t, r+"/ratings/zero").body)
}

func TestRatingsV2SaysHowItsDatabaseIs(t *testing.T) {
	greets := listener(t, func(c net.Conn) { _, _ = c.Write([]byte{1, 0, 0, 0, 10, '8', 0}) })
	refuses := listener(t, func(c net.Conn) { _, _ = c.Write([]byte{1, 0, 0, 0, 255}) })
	silent := listener(t, func(net.Conn) {})
	closed := listener(t, nil)
	mysql := func(addr string) env {
		host, port, _ := net.SplitHostPort(addr)
		return env{"SERVICE_VERSION": "v2-mysql", "DB_TYPE": "mysql", "MYSQL_DB_HOST": host, "MYSQL_DB_PORT": port}
	}
	mongo := func(addr string) env {
		return env{"SERVICE_VERSION": "v2", "MONGO_DB_URL": "mongodb://" + addr + "/test"}
	}
	const unreachable = `{"error":"could not connect to ratings database"}`
	for name, c := range map[string]struct {
		env    env
		status int
		body   string
	}{
		"mysql is down":    {mysql(closed), http.StatusOK, unreachable},
		"mysql hangs up":   {mysql(silent), http.StatusOK, unreachable},
		"mysql refuses":    {mysql(refuses), http.StatusOK, unreachable},
		"mysql is up":      {mysql(greets), http.StatusNotImplemented, ""},
		"mongo is down":    {mongo(closed), http.StatusInternalServerError, unreachable},
		"mongo is reached": {mongo(silent), http.StatusNotImplemented, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := "http://" + start(t, "ratings", c.env, bookinfo.Options{})
			a := get(t, r+"/ratings/0")
			require.Equal(t, c.status, a.status)
			if c.body == "" {
				require.Contains(t, a.body, "no client")
			} else {
				require.JSONEq(t, c.body, a.body)
			}
			p := send(t, http.MethodPost, r+"/ratings/0", `{"Reviewer1":1}`, nil)
			require.Equal(t, http.StatusNotImplemented, p.status)
		})
	}
}

// listener serves each connection and closes it; without a function it is closed itself, so that its port refuses.
func listener(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	if serve == nil {
		require.NoError(t, ln.Close())
		return ln.Addr().String()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

func TestFaultyRatingsFailHalfOfTheTime(t *testing.T) {
	sequence := func(seed uint64) []int {
		r := "http://" + start(t, "ratings", env{"SERVICE_VERSION": "v-faulty"}, bookinfo.Options{Seed: seed})
		var got []int
		for range 100 {
			got = append(got, get(t, r+"/ratings/0").status)
		}
		require.Equal(t, http.StatusOK, get(t, r+"/health").status)
		return got
	}
	a := sequence(1)
	bad := 0
	for _, s := range a {
		if s == http.StatusServiceUnavailable {
			bad++
		} else {
			require.Equal(t, http.StatusOK, s)
		}
	}
	require.InDelta(t, 50, bad, 20)
	require.Equal(t, a, sequence(1), "the same seed repeats")
	require.NotEqual(t, a, sequence(2))
}

func TestDelayedRatingsAreLateHalfOfTheTime(t *testing.T) {
	const late = 40 * time.Millisecond
	r := "http://" + start(t, "ratings", env{"SERVICE_VERSION": "v-delayed"}, bookinfo.Options{Timeouts: bookinfo.Timeouts{Delayed: late}})
	began := time.Now()
	for range 20 {
		require.Equal(t, http.StatusOK, get(t, r+"/ratings/0").status)
	}
	require.Greater(t, time.Since(began), 4*late)
}

func TestRatingsThatComeAndGo(t *testing.T) {
	for version, c := range map[string]struct {
		half   time.Duration
		health int // while down
	}{"v-unavailable": {time.Minute, http.StatusOK}, "v-unhealthy": {15 * time.Minute, http.StatusInternalServerError}} {
		t.Run(version, func(t *testing.T) {
			var passed atomic.Int64
			now := func() time.Time { return time.Unix(0, 0).Add(time.Duration(passed.Load())) }
			r := "http://" + start(t, "ratings", env{"SERVICE_VERSION": version}, bookinfo.Options{Now: now})
			for _, at := range []struct {
				after time.Duration
				down  bool
			}{{0, false}, {c.half - 1, false}, {c.half, true}, {2*c.half - 1, true}, {2 * c.half, false}, {3 * c.half, true}} {
				passed.Store(int64(at.after))
				want, health := http.StatusOK, http.StatusOK
				if at.down {
					want, health = http.StatusServiceUnavailable, c.health
				}
				require.Equal(t, want, get(t, r+"/ratings/0").status, at.after)
				require.Equal(t, health, get(t, r+"/health").status, at.after)
			}
		})
	}
}

func TestTCPEcho(t *testing.T) {
	addr := start(t, "tcp-echo", env{"TCP_ECHO_PREFIX": "one"}, bookinfo.Options{Grace: 10 * time.Millisecond})
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	in := bufio.NewReader(c)
	for _, line := range []string{"hello", "", "again"} {
		_, err = c.Write([]byte(line + "\n"))
		require.NoError(t, err)
		got, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "one "+line+"\n", got)
	}
}
