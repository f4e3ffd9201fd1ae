package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/proc"
)

// The commands of this file are how squall runs its own parts; people do not type them.

func newMeshCommand(env *environment) *cobra.Command {
	var xdsFD, apiFD int
	var xdsAddress, apiSocket, tokenFile, profile, capture string
	var identity identityFlags
	var quotas quotaFlags
	c := &cobra.Command{
		Use: "mesh", Short: "Run the control plane", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			xds, err := listener(c.Context(), "tcp", xdsAddress, xdsFD)
			if err != nil {
				return err
			}
			api, err := listener(c.Context(), "unix", apiSocket, apiFD)
			if err != nil {
				return err
			}
			token, err := readToken(tokenFile)
			if err != nil {
				return err
			}
			settings := model.DefaultMesh()
			if profile == "exact" {
				settings = model.ExactMesh()
			}
			settings.Capture = model.Capture(capture)
			issuer, err := identity.open(c.Context(), settings.TrustDomain)
			if err != nil {
				return err
			}
			options := mesh.Options{
				XDS: xds, API: api, Identity: issuer, Token: token, Mesh: settings, Log: slog.New(slog.NewTextHandler(env.stderr, nil)),
			}
			counted, err := quotas.store(c.Context(), options.Log)
			if err != nil {
				return err
			}
			if counted != nil {
				options.Quotas = counted
				defer func() { _ = counted.Close() }()
			}
			return mesh.New(options).Run(c.Context())
		},
	}
	c.Flags().IntVar(&xdsFD, "xds-fd", 3, "file descriptor of the discovery service's listener")
	c.Flags().IntVar(&apiFD, "api-fd", 4, "file descriptor of the API's listener")
	c.Flags().StringVar(&xdsAddress, "xds", "", "address of the discovery service, in place of a file descriptor")
	c.Flags().StringVar(&apiSocket, "api", "", "socket of the API, in place of a file descriptor")
	c.Flags().StringVar(&tokenFile, "token-file", "", "file with what the agents of proxies want to hear")
	c.Flags().StringVar(&profile, "profile", "istio", "istio or exact")
	c.Flags().StringVar(&capture, "capture", string(model.CaptureProxy), "how traffic reaches sidecars: proxy or redirect")
	identity.register(c)
	quotas.register(c)
	return c
}

// listener opens an address, or takes one that was inherited. A socket is for this user alone; one that an earlier control plane left is
// taken away.
func listener(ctx context.Context, network, address string, fd int) (net.Listener, error) {
	if address == "" {
		return inherited(fd)
	}
	if network == "unix" {
		if err := os.Remove(address); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, network, address)
	if err != nil || network != "unix" {
		return l, err
	}
	return l, os.Chmod(address, 0o600)
}

// readToken reads the file with the agents' token.
func readToken(name string) (string, error) {
	token, err := readSecretFile(name)
	if err != nil {
		return "", fmt.Errorf("the agents' token: %w", err)
	}
	return token, nil
}

// readSecretFile reads a file with a token or a password; without a name there is none.
func readSecretFile(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	data, err := os.ReadFile(name) //nolint:gosec // the caller names it
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(data)), nil
}

func inherited(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "listener")
	if f == nil {
		return nil, fmt.Errorf("file descriptor %d is not open", fd)
	}
	defer func() { _ = f.Close() }()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("file descriptor %d is not a listener: %w", fd, err)
	}
	return l, nil
}

func newWatchdogCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use: "watchdog", Short: "End the processes of an owner that is gone", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return proc.Watchdog(env.stdin) },
	}
}

func newBookinfoCommand(env *environment) *cobra.Command {
	var o bookinfo.Options
	c := &cobra.Command{
		Use: "bookinfo ROLE", Short: "Run one service of Bookinfo, or the backend", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o.Env, o.Log = env.getenv, env.stderr
			return bookinfo.Serve(c.Context(), args[0], o)
		},
	}
	c.Flags().StringVar(&o.Listen, "listen", ":9080", "address to listen on")
	c.Flags().StringVar(&o.Control, "control", "", "socket path on which the backend takes orders")
	return c
}

func newEnvoyInstallCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use: "envoy-install", Short: "Install the pinned Envoy into the user's cache", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b, err := envoy.Install(c.Context(), envoy.InstallOptions{CacheDir: env.cacheDir, Env: env.environ, Log: env.stderr})
			if err != nil {
				return broken(err)
			}
			_, err = fmt.Fprintf(env.stdout, "Envoy %s: %s\n", b.Version, b.Path)
			return err
		},
	}
}
