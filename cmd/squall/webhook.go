package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/kind/inject"
)

func newWebhookCommand(env *environment) *cobra.Command {
	var o inject.Options
	var tokenFile string
	c := &cobra.Command{
		Use: "webhook", Short: "Give pods of a cluster their sidecars", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Token, err = readToken(tokenFile); err != nil {
				return err
			}
			o.Log = slog.New(slog.NewTextHandler(env.stderr, nil))
			return inject.Run(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Listen, "listen", "", "address at which the cluster asks")
	c.Flags().StringVar(&o.Certificate, "certificate", "", "folder with tls.crt and tls.key")
	c.Flags().StringVar(&o.Image, "image", "", "image of the sidecars")
	c.Flags().StringVar(&tokenFile, "token-file", fleet.TokenFile, "file with what their agents want to hear")
	return c
}
