package bookinfo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/squallmesh/squall/bookinfo/backend"
)

// ErrUnknownRole is returned for a role that [Roles] does not list.
var ErrUnknownRole = errors.New("no such role")

// Role is one service that [Serve] can play.
type Role struct {
	// Name is what Serve takes.
	Name string
	// Help is one line about the service, without a full stop.
	Help string

	listen func(context.Context, Options) (*Server, error)
}

// Roles lists every role by name.
func Roles() []Role {
	return []Role{
		{"backend", "the exact-test workload: answers on four ports (and https where it has a certificate), held and scripted over a control socket", listenBackend},
		{"details", "what is printed about a book: author, year, pages, ISBN", httpRole("details", newDetails)},
		{"productpage", "the page people see; calls details and reviews", httpRole("productpage", newProductPage)},
		{"ratings", "stars per reviewer, with faulty variants by SERVICE_VERSION", httpRole("ratings", newRatings)},
		{"reviews", "what readers say; calls ratings when ENABLE_RATINGS is true", httpRole("reviews", newReviews)},
		{"tcp-echo", "sends each line back behind a word, over plain TCP", listenTCPEcho},
	}
}

// Serve plays a role until ctx is cancelled, then lets requests in flight finish for at most Options.Grace and returns
// nil. That it is ready shows only in the listening port. It returns an error when the role is unknown
// ([ErrUnknownRole]), the options are unusable, or the address cannot be had.
func Serve(ctx context.Context, role string, o Options) error {
	s, err := Listen(ctx, role, o)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Listen takes the address of a role without serving yet, so that a caller who asked for port 0 learns what it got. The
// caller must call [Server.Run], which also gives the address back. Errors are those of [Serve].
func Listen(ctx context.Context, role string, o Options) (*Server, error) {
	roles := Roles()
	i := slices.IndexFunc(roles, func(r Role) bool { return r.Name == role })
	if i < 0 {
		names := make([]string, 0, len(roles))
		for _, r := range roles {
			names = append(names, r.Name)
		}
		return nil, fmt.Errorf("%w: %q (there are %s)", ErrUnknownRole, role, strings.Join(names, ", "))
	}
	if o.Control != "" && role != "backend" {
		return nil, fmt.Errorf("%s: only the backend has a control socket", role)
	}
	s, err := roles[i].listen(ctx, o.withDefaults())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", role, err)
	}
	return s, nil
}

func listenBackend(ctx context.Context, o Options) (*Server, error) {
	host, ports, err := backend.ParseListen(o.Listen)
	if err != nil {
		return nil, err
	}
	b, err := backend.Listen(ctx, backend.Options{
		Host: host, Ports: ports, Control: o.Control, Grace: o.Grace, Certificate: o.Env("TLS_CERTIFICATE"), ClientCA: o.Env("TLS_CLIENT_CA"),
		Workload: o.name(), Pod: o.pod(), Version: o.Env("SERVICE_VERSION"),
	})
	if err != nil {
		return nil, err
	}
	return &Server{addrs: b.Addrs(), run: b.Run}, nil
}
