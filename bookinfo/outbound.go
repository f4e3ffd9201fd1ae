package bookinfo

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// maxBody bounds what is read of an answer or of a posted form, in bytes.
const maxBody = 1 << 20

// outbound makes the calls of a service. A call is cut off by its own time-out and by the end of the service, never by
// the caller that caused it leaving.
type outbound struct {
	life context.Context // see service
	http *http.Client
	call Caller // nil: over HTTP
}

func newOutbound(life context.Context, env func(string) string) (*outbound, error) {
	either := func(name string) string { return cmp.Or(env(name), env(strings.ToLower(name))) }
	cfg := httpproxy.Config{HTTPProxy: either("HTTP_PROXY"), HTTPSProxy: either("HTTPS_PROXY"), NoProxy: either("NO_PROXY")}
	for name, proxy := range map[string]string{"HTTP_PROXY": cfg.HTTPProxy, "HTTPS_PROXY": cfg.HTTPSProxy} {
		if err := checkProxy(proxy); err != nil {
			return nil, fmt.Errorf("environment %s: %w", name, err)
		}
	}
	choose := cfg.ProxyFunc()
	return &outbound{life: life, http: &http.Client{
		Transport: &http.Transport{
			Proxy:             func(r *http.Request) (*url.URL, error) { return choose(r.URL) },
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// checkProxy tells whether the value of a proxy variable can be used; host:port without a scheme can.
func checkProxy(v string) error {
	if v == "" || strings.HasPrefix(v, "http://") || strings.HasPrefix(v, "https://") || strings.HasPrefix(v, "socks5") {
		_, err := url.Parse(v)
		return err
	}
	if strings.Contains(v, "://") {
		return fmt.Errorf("%q: want an http, https or socks5 URL", v)
	}
	_, err := url.Parse("http://" + v)
	return err
}

// answer is an answer read whole.
type answer struct {
	status int
	body   []byte
}

// get fetches a URL within d, passing the given headers on. It keeps going when the request that caused it goes away.
func (o *outbound) get(cause context.Context, target string, header http.Header, d time.Duration) (answer, error) {
	if o.call != nil {
		status, body, err := o.call(target, header, d)
		return answer{status, body}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cause), d)
	defer cancel()
	defer context.AfterFunc(o.life, cancel)()                                //nolint:contextcheck // the end of the service, not of the request
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil) //nolint:gosec // the host is the environment's
	if err != nil {
		return answer{}, err
	}
	req.Header = header
	res, err := o.http.Do(req) //nolint:gosec // as above
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return answer{status: res.StatusCode}, fmt.Errorf("reading the answer of %s: %w", target, err)
	}
	return answer{status: res.StatusCode, body: body}, nil
}

// upstream returns the base URL of a service of the app, such as http://reviews:9080, as the environment names it. The
// service is one of details, reviews and ratings.
func upstream(env func(string) string, name string) (string, error) {
	key := strings.ToUpper(name)
	host := cmp.Or(env(key+"_HOSTNAME"), name)
	if domain := strings.TrimPrefix(env("SERVICES_DOMAIN"), "."); domain != "" {
		host += "." + domain
	}
	port := cmp.Or(env(key+"_SERVICE_PORT"), "9080")
	if u, err := url.Parse(port); err == nil && u.Host != "" {
		port = u.Port()
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("environment %s_SERVICE_PORT: %q is not a port", key, port)
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
