package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/platform/docker"
	"github.com/squallmesh/squall/mesh/platform/kind"
)

func newDoctorCommand(env *environment) *cobra.Command {
	var envoyPath, name string
	c := &cobra.Command{
		Use: "doctor", Short: "Say whether labs can run on this machine", Args: cobra.NoArgs,
		Long: `Say whether labs can run on this machine, and on which platforms: each is tried. Nothing stays.

Where a cluster of squall's is up, pods that lack the sidecar they ask for are named.

Exit codes: 0, 4 if labs cannot run.`,
		RunE: func(c *cobra.Command, _ []string) error {
			say := func(err error, what, hint string) bool {
				if err == nil {
					_, _ = fmt.Fprintln(env.stdout, "ok  ", what)
					return true
				}
				_, _ = fmt.Fprintf(env.stdout, "no   %s: %v\n", what, err)
				if hint != "" {
					_, _ = fmt.Fprintln(env.stdout, "    ", hint)
				}
				return false
			}
			b, err := findEnvoy(c.Context(), env, envoyPath)
			what := "Envoy"
			if err == nil {
				what = fmt.Sprintf("Envoy %s: %s", b.Version, b.Path)
			}
			proxy := say(err, what, "run make envoy, or name one with --envoy")
			loopback := say(tryLoopback(c.Context()), "platform loopback: addresses of 127.0.0.0/8", runtime.GOOS+" may have 127.0.0.1 alone")
			pods := say(tryPods(c.Context(), env), "platform pods: namespaces, mounts, interfaces, packet filter", "")
			const help = "start Docker, and see that this user may use it"
			say(docker.Check(c.Context()), "platform docker: Docker answers", help)
			if say(kind.Check(c.Context()), "platform kind: Docker answers, and its program is there", help) {
				if there, err := kind.Inspect(c.Context(), kindOptions(env, name, "")); there || err != nil {
					say(err, "cluster of "+name+": pods get their sidecars", "")
				}
			}
			if !proxy || !loopback && !pods {
				return &exitError{code: exitBroken}
			}
			return nil
		},
	}
	c.Flags().StringVar(&envoyPath, "envoy", "", "path of the Envoy to check")
	nameFlag(c, &name)
	return c
}

func tryLoopback(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.16.0.9:0")
	if err != nil {
		return err
	}
	return l.Close()
}

// tryPods makes in namespaces what a lab needs. What the kernel refuses it says itself.
func tryPods(ctx context.Context, env *environment) error {
	inside := *env
	var words bytes.Buffer
	inside.stderr = &words
	err := enterPods(ctx, &inside, nil, env.self, "pod-check")
	if said := strings.TrimPrefix(strings.TrimSpace(words.String()), "squall: "); err != nil && said != "" {
		return errors.New(said)
	}
	return err
}

func newVersionCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(env.stdout, "squall %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
