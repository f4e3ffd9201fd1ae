package main

import (
	"fmt"
	"net"
	"runtime"

	"github.com/spf13/cobra"
)

func newDoctorCommand(env *environment) *cobra.Command {
	var envoyPath string
	c := &cobra.Command{
		Use: "doctor", Short: "Say whether labs can run on this machine", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ok := true
			say := func(good bool, what, hint string) {
				mark := "ok  "
				if !good {
					ok, mark = false, "FAIL"
				}
				_, _ = fmt.Fprintf(env.stdout, "%s %s\n", mark, what)
				if !good && hint != "" {
					_, _ = fmt.Fprintf(env.stdout, "     %s\n", hint)
				}
			}
			b, err := findEnvoy(c.Context(), env, envoyPath)
			if err != nil {
				say(false, "Envoy: "+err.Error(), "run make envoy, or name one with --envoy")
			} else {
				say(true, fmt.Sprintf("Envoy %s: %s", b.Version, b.Path), "")
			}
			var lc net.ListenConfig
			l, err := lc.Listen(c.Context(), "tcp", "127.16.0.9:0")
			if err != nil {
				say(false, "addresses of 127.0.0.0/8: "+err.Error(), "loopback labs need more than 127.0.0.1; "+runtime.GOOS+" may lack them")
			} else {
				_ = l.Close()
				say(true, "addresses of 127.0.0.0/8", "")
			}
			if !ok {
				return &exitError{code: exitBroken}
			}
			return nil
		},
	}
	c.Flags().StringVar(&envoyPath, "envoy", "", "path of the Envoy to check")
	return c
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
