package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/local"
)

// logPoll is how often a log that is followed is looked at.
const logPoll = 200 * time.Millisecond

func newLogsCommand(env *environment) *cobra.Command {
	var name string
	var app, follow bool
	c := &cobra.Command{
		Use:   "logs WORKLOAD",
		Short: "Show what a workload's proxy logged in a mesh that is up",
		Long: `Show the log of a workload's proxy: its warnings, and the access log, if rules ask for one.

A Telemetry with accessLogging and the provider envoy, or accessLogFile: /dev/stdout among the mesh's settings, makes proxies write it.`,
		Example: "  squall logs reviews-v2\n  squall logs istio-ingressgateway --follow\n  squall logs ratings-v1 --app",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := loadState(env, name)
			if err != nil {
				return broken(err)
			}
			p, err := s.proxy(args[0])
			if err != nil {
				return invalid(err)
			}
			if s.Form != platform.Loopback && s.Form != platform.Pods {
				return invalid(fmt.Errorf("on %s the logs are those of containers: %s", s.Form, containerLogs(s.Form)))
			}
			file := envoy.LogFile
			if app {
				file = local.AppLogFile
			}
			dir := filepath.Dir(strings.TrimPrefix(p.Admin, "unix://"))
			return showLog(c.Context(), env.stdout, filepath.Join(dir, file), follow)
		},
	}
	nameFlag(c, &name)
	c.Flags().BoolVar(&app, "app", false, "the log of the app in place of its proxy's")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until Ctrl-C")
	return c
}

// containerLogs is the command that shows them.
func containerLogs(form platform.Form) string {
	if form == platform.Kind {
		return "kubectl logs POD --all-containers"
	}
	return "docker logs CONTAINER"
}

func showLog(ctx context.Context, to io.Writer, path string, follow bool) error {
	f, err := os.Open(path) //nolint:gosec // of the lab that the user named
	if errors.Is(err, fs.ErrNotExist) {
		return invalid(errors.New("it has no log: a gateway has no app"))
	}
	if err != nil {
		return broken(err)
	}
	defer f.Close() //nolint:errcheck // read only
	for {
		if _, err := io.Copy(to, f); err != nil {
			return broken(err)
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // a signal
		case <-time.After(logPoll):
		}
	}
}
