package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/docker"
	"github.com/squallmesh/squall/mesh/proc"
)

// defaultName is the name of a lab that was given none.
const defaultName = "default"

func nameFlag(c *cobra.Command, name *string) {
	c.Flags().StringVar(name, "name", defaultName, "name of the lab, as given to squall up")
}

func newApplyCommand(env *environment) *cobra.Command {
	var name string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "apply RULES...",
		Short: "Apply rules to a mesh that is up, and return when they are effective",
		Long: `Apply files or folders of rules to the mesh of squall up. The command returns when every proxy has them: the
first request that is sent afterwards sees the new rules.

Exit codes: 0 effective, 3 invalid or refused by a proxy (nothing changed), 4 not effective everywhere in time.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := loadState(env, name)
			if err != nil {
				return broken(err)
			}
			rules, err := readRules(args)
			if err != nil {
				return invalid(err)
			}
			resp, err := s.client().Apply(c.Context(), mesh.ApplyRequest{Files: rules, Timeout: timeout})
			return reportApply(env.stderr, resp, err)
		},
	}
	nameFlag(c, &name)
	c.Flags().DurationVar(&timeout, "timeout", mesh.DefaultTimeout, "how long to wait until the rules are effective")
	return c
}

// reportApply says what an apply did.
func reportApply(w io.Writer, resp mesh.ApplyResponse, err error) error {
	if warnings := resp.Diagnostics.Warnings(); len(warnings) > 0 {
		_, _ = fmt.Fprintln(w, warnings.Text())
	}
	var refused *mesh.ApplyError
	if errors.As(err, &refused) && refused.Kind == mesh.KindLate {
		return broken(err)
	}
	if err == nil {
		_, _ = fmt.Fprintf(w, "effective on %d proxies after %s\n", len(resp.Report.Proxies), resp.Report.Took.Round(100*time.Microsecond))
	}
	return err
}

func newResetCommand(env *environment) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "reset", Short: "Set a mesh that is up back to what it was at its start", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := loadState(env, name)
			if err != nil {
				return broken(err)
			}
			resp, err := s.client().Apply(c.Context(), mesh.ApplyRequest{Files: s.Baseline, Replace: true})
			return reportApply(env.stderr, resp, err)
		},
	}
	nameFlag(c, &name)
	return c
}

func newDownCommand(env *environment) *cobra.Command {
	var name, platformName string
	c := &cobra.Command{
		Use: "down", Short: "Take a mesh down that is up, or a cluster", Args: cobra.NoArgs,
		Long: `Take a mesh down that is up.

With --platform kind the cluster goes too, which runs leave for the next one: its containers, its network and its kubeconfig. With
--platform docker what is left of labs goes whose programs were killed: networks and ended containers.`,
		RunE: func(c *cobra.Command, _ []string) error {
			withCluster := platformName == string(platform.Kind)
			switch {
			case platformName == string(platform.Docker):
				if err := docker.Clean(c.Context()); err != nil {
					return broken(err)
				}
				return nil
			case platformName != "" && !withCluster:
				return invalid(fmt.Errorf("--platform %s: only what kind and docker leave is taken away so", platformName))
			}
			s, err := loadState(env, name)
			if err != nil && withCluster {
				return downKind(c.Context(), env, name)
			}
			if err != nil {
				return broken(err)
			}
			if err := syscall.Kill(s.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				return broken(fmt.Errorf("end process %d: %w", s.PID, err))
			}
			for proc.Alive(s.PID) {
				select {
				case <-c.Context().Done():
					return c.Context().Err()
				case <-time.After(20 * time.Millisecond):
				}
			}
			_ = os.Remove(logPath(env, name))
			if withCluster {
				return downKind(c.Context(), env, name)
			}
			return nil
		},
	}
	nameFlag(c, &name)
	c.Flags().StringVar(&platformName, "platform", "", "kind: take the cluster away too; docker: what killed labs left")
	return c
}
