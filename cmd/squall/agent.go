package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/netns"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/xds/translate"
)

func newAgentCommand(env *environment) *cobra.Command {
	var o agent.Options
	var tokenFile string
	c := &cobra.Command{
		Use: "agent", Short: "Run a container's process as a lab wants it", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.Token, err = readToken(tokenFile); err != nil {
				return err
			}
			o.Env, o.Log = env.environ, env.stdout
			return agent.Run(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Socket, "socket", fleet.ProxySocket, "socket on which the lab gives orders")
	c.Flags().StringVar(&o.Tunnel, "tunnel", "", "address of the way into the pod; empty has none")
	c.Flags().StringVar(&tokenFile, "token-file", "", "file with what those who use it must know")
	c.Flags().StringVar(&o.DNS, "dns", "", "address at which to answer for the names of services; empty does not")
	c.Flags().DurationVar(&o.Alone, "alone", 0, "end when nobody has asked for anything for so long; 0 never does")
	c.Flags().StringVar(&o.API, "api", "", "socket of the control plane that knows the services")
	return c
}

func newInitNetCommand() *cobra.Command {
	var user uint32
	var addresses string
	var passed []uint
	c := &cobra.Command{
		Use: "init-net", Short: "Redirect a pod's traffic to its sidecar", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if addresses != "" {
				prefix, err := netip.ParsePrefix(addresses)
				if err != nil {
					return invalid(err)
				}
				return netns.AddLoopback(prefix)
			}
			ports := platform.PassedPorts()
			for _, p := range passed {
				if p < 1 || p > 65535 {
					return invalid(fmt.Errorf("--exclude-inbound: a port lies between 1 and 65535, not at %d", p))
				}
				ports = append(ports, uint16(p))
			}
			return netns.Capture{
				Outbound: translate.VirtualOutboundPort, Inbound: translate.VirtualInboundPort,
				Source: netip.MustParseAddr(translate.InboundSource), PassInbound: ports, User: user,
			}.Install()
		},
	}
	c.Flags().StringVar(&addresses, "addresses", "", "give the loopback interface these addresses, ADDRESS/BITS, and redirect nothing")
	c.Flags().UintSliceVar(&passed, "exclude-inbound", nil, "ports to which connections from outside go directly, past the sidecar")
	c.Flags().Uint32Var(&user, "user", fleet.ProxyUser, "user of the sidecar, whose own traffic is not redirected")
	return c
}
