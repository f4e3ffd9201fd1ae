package bookinfo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// database is where ratings v2 would read its stars. This build has no database client: it finds out whether the
// database can be reached (a connection, and for MySQL the greeting that its server sends first), which is what rules
// and faults decide, and then says that it cannot read it. It never makes up stars.
//
//	MySQL out of reach    200 with an error body, as the reference app does
//	MongoDB out of reach  500
//	either within reach   501
type database struct {
	mysql   bool
	addr    string
	timeout time.Duration
}

var (
	errNoDatabase = errors.New("could not connect to ratings database")
	errNoClient   = errors.New("the ratings database answers, but this build has no client to read it")
)

// newDatabase returns nil for versions that need none.
func newDatabase(version string, env func(string) string, timeout time.Duration) (*database, error) {
	if version != "v2" && !strings.HasPrefix(version, "v2-") {
		return nil, nil
	}
	if env("DB_TYPE") == "mysql" {
		host := env("MYSQL_DB_HOST")
		if host == "" {
			return nil, errors.New("environment DB_TYPE is mysql but MYSQL_DB_HOST is not set")
		}
		return &database{mysql: true, addr: net.JoinHostPort(host, cmp.Or(env("MYSQL_DB_PORT"), "3306")), timeout: timeout}, nil
	}
	raw := env("MONGO_DB_URL")
	if raw == "" {
		return nil, fmt.Errorf("version %s reads a database: set MONGO_DB_URL, or DB_TYPE=mysql and MYSQL_DB_HOST", version)
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "mongodb" || u.Hostname() == "" {
		return nil, fmt.Errorf("environment MONGO_DB_URL: %q is not mongodb://host:port/name", raw)
	}
	return &database{addr: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "27017")), timeout: timeout}, nil
}

// reach tries the database and returns the answer's status and its error, which is never nil.
func (d *database) reach(ctx context.Context) (int, error) {
	switch err := d.dial(ctx); {
	case err == nil:
		return http.StatusNotImplemented, errNoClient
	case d.mysql:
		return http.StatusOK, errNoDatabase
	default:
		return http.StatusInternalServerError, errNoDatabase
	}
}

func (d *database) dial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if !d.mysql {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	// Packet header (three bytes of length, one of sequence), then the protocol's version: 10, or 255 for an error.
	var greeting [5]byte
	if _, err := io.ReadFull(c, greeting[:]); err != nil {
		return err
	}
	if greeting[4] != 10 {
		return fmt.Errorf("greeting of version %d", greeting[4])
	}
	return nil
}
