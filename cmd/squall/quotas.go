package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/policy/ratelimit"
)

// quotaFlags say where a control plane counts requests against global quotas.
type quotaFlags struct{ url, passwordFile string }

func (f *quotaFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.url, "quotas", "", "Redis that counts global quotas, which several meshes may share: redis://HOST:PORT/DATABASE, rediss:// over TLS, or unix:///PATH; in memory if empty")
	c.Flags().StringVar(&f.passwordFile, "quotas-password", "", "file with the password of that Redis")
}

// args hands the flags on to the control plane.
func (f *quotaFlags) args() []string {
	if f.url == "" {
		return nil
	}
	return []string{"--quotas", f.url, "--quotas-password", f.passwordFile}
}

// open gives the store, or nil for the memory of the control plane. Close it.
func (f *quotaFlags) open() (*ratelimit.Redis, error) {
	if f.url == "" {
		if f.passwordFile != "" {
			return nil, errors.New("--quotas-password: of which Redis? --quotas names it")
		}
		return nil, nil //nolint:nilnil // memory is what was asked for
	}
	password, err := readSecretFile(f.passwordFile)
	if err != nil {
		return nil, fmt.Errorf("--quotas-password: %w", err)
	}
	store, err := ratelimit.NewRedis(ratelimit.RedisOptions{URL: f.url, Password: password})
	if errors.Is(err, ratelimit.ErrPasswordInURL) {
		return nil, fmt.Errorf("--quotas: %w; write it into a file, and name that by --quotas-password", err)
	}
	if err != nil {
		return nil, fmt.Errorf("--quotas: %w", err)
	}
	return store, nil
}

// quotaPatience is how long a Redis has to answer before a lab starts.
const quotaPatience = 3 * time.Second

// check says what is wrong with the flags, or with the Redis, before anything starts.
func (f *quotaFlags) check(ctx context.Context) error {
	store, err := f.open()
	if err != nil {
		return invalid(err)
	}
	if store == nil {
		return nil
	}
	defer func() { _ = store.Close() }()
	ctx, cancel := context.WithTimeout(ctx, quotaPatience)
	defer cancel()
	if err := store.Ping(ctx); err != nil {
		return broken(fmt.Errorf("--quotas: the Redis cannot be asked: %w", err))
	}
	return nil
}

// store is open for the control plane, which goes on while its Redis is away.
func (f *quotaFlags) store(ctx context.Context, log *slog.Logger) (*ratelimit.Redis, error) {
	store, err := f.open()
	if err != nil || store == nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, quotaPatience)
	defer cancel()
	if err := store.Ping(ctx); err != nil {
		log.Warn("the Redis that counts quotas cannot be asked", "error", err)
	}
	return store, nil
}
