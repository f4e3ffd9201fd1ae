package loadgen

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// login posts the form of a load and returns the cookies of the answer.
func (s *sender) login() ([]*http.Cookie, error) {
	l := s.load
	if l.Login == nil {
		return nil, nil
	}
	base := l.Requests(0, l.random(0))
	first, err := base.build()
	if err != nil {
		return nil, err
	}
	at, err := first.URL.Parse(l.Login.Path)
	if err != nil {
		return nil, err
	}
	req, err := Request{
		Method: http.MethodPost, URL: at.String(), Host: base.Host, Body: []byte(l.Login.Form.Encode()),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
	}.build()
	if err != nil {
		return nil, err
	}
	MakeIDs(l.Seed, "login/"+l.Name, 0, !l.Undecided).set(req.Header, !l.Undecided)
	ctx, cancel := context.WithTimeout(s.ctx, l.timeout())
	defer cancel()
	resp, err := s.transports[0].RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	cookies := resp.Cookies()
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		return nil, fmt.Errorf("POST %s was answered with %s", at, resp.Status)
	case len(cookies) == 0:
		return nil, fmt.Errorf("POST %s was answered with %s and without a cookie", at, resp.Status)
	}
	return cookies, nil
}
