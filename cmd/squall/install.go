package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/image"
	"github.com/squallmesh/squall/mesh/platform/kind"
)

func newInstallCommand(env *environment) *cobra.Command {
	var print bool
	var m kind.Manifests
	var chart, envoyPath string
	c := &cobra.Command{
		Use:   "install",
		Short: "Write what squall keeps in a cluster, as manifests or a Helm chart",
		Long: `Write what squall keeps in a cluster between labs: the kinds of rules (CustomResourceDefinitions), the pod of control planes, and the
webhook that gives pods their sidecars. They are what squall up --platform kind makes by itself, so this is for those who want to
see it first, or keep it with the rest of a cluster's manifests. Nothing is installed.

--print writes documents for kubectl. Two secrets are left out, the webhook's key and what agents want to hear: the first lab makes
them, and the pod starts then. --secrets adds them, made anew: apply that once, to a cluster that has none.

--chart writes a chart for Helm, whose releases make the secrets once and keep them. Its namespace is istio-system.

Exit codes: 0 written, 3 invalid input, 4 there is no Envoy or a file could not be written.`,
		Example: "  squall install --print --secrets | kubectl create -f -\n" +
			"  squall install --chart squall-chart\n  helm install squall squall-chart --namespace istio-system --create-namespace",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case print == (chart != ""):
				return invalid(errors.New("what is to be written? --print, or --chart FOLDER"))
			case m.Secrets && chart != "":
				return invalid(errors.New("--secrets belongs to --print: a release of the chart makes its own"))
			}
			if m.Image == "" {
				b, err := findEnvoy(c.Context(), env, envoyPath)
				if err != nil {
					return err
				}
				i, err := image.New(imagePrograms(env.self, b), fleet.RunDir, fleet.AppDir)
				if err != nil {
					return broken(err)
				}
				m.Image = i.Reference
			}
			if chart != "" {
				if err := m.Chart(chart, chartVersion()); err != nil {
					return broken(err)
				}
				return nil
			}
			text, err := m.YAML()
			if err != nil {
				return broken(err)
			}
			_, err = fmt.Fprintf(env.stdout, "%s", text)
			return err
		},
	}
	c.Flags().BoolVar(&print, "print", false, "write documents for kubectl to standard output")
	c.Flags().StringVar(&chart, "chart", "", "write a chart for Helm into this folder, which must be empty or not there")
	c.Flags().BoolVar(&m.Secrets, "secrets", false, "with --print: add the secrets, made anew")
	c.Flags().StringVar(&m.Image, "image", "", "image of the control plane's pod and of sidecars (default the one that labs of this program use)")
	c.Flags().StringVar(&envoyPath, "envoy", "", "path of the Envoy in the image")
	return c
}

// chartVersion is this program's, as a chart must have one.
func chartVersion() string {
	if v, ok := strings.CutPrefix(version, "v"); ok {
		return v
	}
	return "0.0.0-dev"
}
