package main

import (
	"net"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/policy/extauthz"
)

// The ports of the authorizer.
const (
	authorizerHTTP = 8000
	authorizerGRPC = 9000
)

func newExtAuthzCommand() *cobra.Command {
	var address string
	c := &cobra.Command{
		Use: "ext-authz", Short: "Run a small authorizer: by HTTP at port 8000, by gRPC at port 9000", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			at := func(port int) (net.Listener, error) {
				return new(net.ListenConfig).Listen(c.Context(), "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
			}
			byGRPC, err := at(authorizerGRPC)
			if err != nil {
				return err
			}
			byHTTP, err := at(authorizerHTTP)
			if err != nil {
				_ = byGRPC.Close()
				return err
			}
			return extauthz.Serve(c.Context(), byGRPC, byHTTP)
		},
	}
	c.Flags().StringVar(&address, "listen", "", "IP address to listen at; every address if unset")
	return c
}
