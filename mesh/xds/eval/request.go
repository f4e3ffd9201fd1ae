package eval

import (
	"net/textproto"
	"strings"
)

// Request is what a client sends to a proxy.
type Request struct {
	// Method; empty is GET.
	Method string `json:"method"`
	// Scheme; empty is http.
	Scheme string `json:"scheme"`
	// Authority is the host that is asked for, with its port if the client names it: ratings:9080.
	Authority string `json:"authority"`
	// Path with its query; empty is /.
	Path string `json:"path"`
	// Header by name, in any case; several values count as one, joined by commas.
	Header map[string][]string `json:"header,omitempty"`
	// Port of the connection, by which a listener is found; 0 takes the authority's, else 80.
	Port uint32 `json:"port,omitempty"`
	// Address of the connection's destination, where the kernel captures it: listeners and filter chains may ask for
	// it. Empty matches those that ask for none.
	Address string `json:"address,omitempty"`
	// Listener takes the listener of this name instead of looking for one.
	Listener string `json:"listener,omitempty"`
}

// filled gives the request with its defaults, and the path as Envoy's connection manager normalizes it.
func (r Request) filled() Request {
	if r.Method == "" {
		r.Method = "GET"
	}
	if r.Scheme == "" {
		r.Scheme = "http"
	}
	if r.Path == "" {
		r.Path = "/"
	}
	r.Path = normalized(r.Path)
	if r.Port == 0 {
		r.Port = 80
		if r.Scheme == "https" {
			r.Port = 443
		}
		if _, port, ok := cutPort(r.Authority); ok {
			r.Port = port
		}
	}
	return r
}

// value gives a header's value, or a pseudo header's.
func (r *Request) value(name string) (string, bool) {
	switch name {
	case ":method":
		return r.Method, true
	case ":authority", "host":
		return r.Authority, true
	case ":scheme":
		return r.Scheme, true
	case ":path":
		return r.Path, true
	}
	var values []string
	found := false
	for k, v := range r.Header {
		if strings.EqualFold(textproto.TrimString(k), name) {
			found = true
			values = append(values, v...)
		}
	}
	return strings.Join(values, ","), found
}

func (r *Request) plainPath() string {
	path, _, _ := strings.Cut(r.Path, "?")
	return path
}

// queryValue gives the first value of a query parameter. As in Envoy's routes nothing is unescaped.
func (r *Request) queryValue(name string) (string, bool) {
	_, query, _ := strings.Cut(r.Path, "?")
	for pair := range strings.SplitSeq(query, "&") {
		if k, v, _ := strings.Cut(pair, "="); pair != "" && k == name {
			return v, true
		}
	}
	return "", false
}

// cutPort parts host:port; an IPv6 address keeps its brackets.
func cutPort(authority string) (host string, port uint32, ok bool) {
	i := strings.LastIndexByte(authority, ':')
	if i < 0 || i < strings.LastIndexByte(authority, ']') || i+1 == len(authority) {
		return authority, 0, false
	}
	for _, c := range authority[i+1:] {
		if c < '0' || c > '9' || port > 65535 {
			return authority, 0, false
		}
		port = port*10 + uint32(c-'0')
	}
	return authority[:i], port, true
}

// normalized removes . and .. from a path and turns backslashes, as RFC 3986 and Envoy's normalize_path do. Several slashes
// stay several.
func normalized(path string) string {
	plain, query, found := strings.Cut(path, "?")
	plain = strings.ReplaceAll(plain, `\`, "/")
	parts := strings.Split(strings.TrimPrefix(plain, "/"), "/")
	var out []string
	for i, p := range parts {
		last := i == len(parts)-1
		switch strings.ReplaceAll(strings.ToLower(p), "%2e", ".") {
		case ".":
			if last {
				out = append(out, "")
			}
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, p)
		}
	}
	plain = "/" + strings.Join(out, "/")
	if found {
		plain += "?" + query
	}
	return plain
}
