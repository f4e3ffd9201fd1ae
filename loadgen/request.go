package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// ownHeaders are set for each request; those of a Request would be lost.
var ownHeaders = []string{"X-Request-Id", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Sampled", "Traceparent"}

// build makes the request without ids.
// tcp gives the address of a request over plain TCP.
func (r Request) tcp() (address string, ok bool) { return strings.CutPrefix(r.URL, "tcp://") }

func (r Request) build() (*http.Request, error) {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil:
		return nil, err
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("the URL %q is not http://host/path or https://host/path", r.URL)
	}
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	req := &http.Request{
		Method: method, URL: u, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(r.Header)+len(ownHeaders)),
	}
	if r.Host != "" {
		req.Host = r.Host
	}
	for name, values := range r.Header {
		name = textproto.CanonicalMIMEHeaderKey(name)
		if name == "Host" {
			return nil, errors.New("the header Host is set by the field of that name")
		}
		if slices.Contains(ownHeaders, name) {
			return nil, fmt.Errorf("the header %s is set for each request", name)
		}
		req.Header[name] = slices.Clone(values)
	}
	if len(r.Body) > 0 {
		req.Body = io.NopCloser(bytes.NewReader(r.Body))
		req.ContentLength = int64(len(r.Body))
	}
	return req, nil
}
