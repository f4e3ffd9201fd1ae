// Package docker runs labs as pairs of containers that share a network namespace, in networks of their own.
package docker

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Check tells why there is no Docker to use, or nil.
func Check(ctx context.Context) error {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return fmt.Errorf("Docker: %w", err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return fmt.Errorf("Docker does not answer: %w", err)
	}
	return nil
}

// Network makes sure of a network with addresses, and gives the one that this machine has in it. A network of that name with other addresses
// is an error.
func Network(ctx context.Context, name string, subnet netip.Prefix) (gateway netip.Addr, err error) {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return gateway, fmt.Errorf("Docker: %w", err)
	}
	defer func() { _ = c.Close() }()
	return ensure(ctx, c, name, subnet)
}

func ensure(ctx context.Context, c *client.Client, name string, subnet netip.Prefix) (gateway netip.Addr, err error) {
	gateway = subnet.Masked().Addr().Next()
	there, err := c.NetworkInspect(ctx, name, client.NetworkInspectOptions{})
	switch {
	case err == nil:
		for _, config := range there.Network.IPAM.Config {
			if config.Subnet == subnet.Masked() {
				if config.Gateway.IsValid() {
					gateway = config.Gateway
				}
				return gateway, nil
			}
		}
		return gateway, fmt.Errorf("the network %s of Docker has other addresses than %s: docker network rm %s", name, subnet, name)
	case !errdefs.IsNotFound(err):
		return gateway, fmt.Errorf("Docker does not answer: %w", err)
	}
	_, err = c.NetworkCreate(ctx, name, client.NetworkCreateOptions{
		Driver: "bridge", Labels: map[string]string{Label: name},
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet.Masked(), Gateway: gateway}}},
	})
	if err != nil {
		return gateway, fmt.Errorf("the network %s (%s): %w", name, subnet, err)
	}
	return gateway, nil
}

// RemoveNetwork removes a network that nobody uses; one that is not there is none.
func RemoveNetwork(ctx context.Context, name string) error {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return fmt.Errorf("Docker: %w", err)
	}
	defer func() { _ = c.Close() }()
	_, err = c.NetworkRemove(ctx, name, client.NetworkRemoveOptions{})
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// Label marks what squall makes in Docker, with the lab's name.
const Label = "squall.dev/lab"
