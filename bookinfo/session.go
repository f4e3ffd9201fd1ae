package bookinfo

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// sessionCookie holds the name that someone logged in with. Any name and password do, and nothing is signed: it shows
// how rules route by user and protects nothing.
const sessionCookie = "session"

// user returns who is logged in, or "".
func user(r *http.Request) string {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	name, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || strings.ContainsFunc(string(name), func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return ""
	}
	return string(name)
}

// headers are those of productpage's own calls: what is passed on, and who is logged in.
func (p *productPage) headers(r *http.Request) http.Header {
	h := passOn(r)
	if name := user(r); name != "" {
		h.Set("End-User", name)
	}
	return h
}

func (p *productPage) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	name := r.PostFormValue("username")
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // the page is served over plain HTTP
		Name: sessionCookie, Value: base64.RawURLEncoding.EncodeToString([]byte(name)),
		Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, back(r), http.StatusFound) //nolint:gosec // a path of this site
}

func (p *productPage) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // as above
		Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, back(r), http.StatusFound) //nolint:gosec // a path of this site
}

// back is where a form was sent from, on this site, else the product page.
func back(r *http.Request) string {
	u, err := url.Parse(r.Referer())
	if err != nil || u.Path == "" || u.Path == "/login" || u.Path == "/logout" {
		return "/productpage"
	}
	return path.Clean("/" + strings.TrimLeft(u.Path, `/\`))
}
