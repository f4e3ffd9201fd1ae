package docker

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform/fleet"
)

// leaseTime is how long containers live that nobody asks for anything.
const leaseTime = 30 * time.Second

// containers runs those of a pod: the proxy's, which has the network, then one that redirects its traffic, and the app's.
func (h *host) containers(ctx context.Context, p fleet.Pod, one *pod, address netip.Addr) error {
	command := []string{fleet.Squall, "agent", "--socket", fleet.ProxySocket, "--tunnel", one.agent.Address, "--token-file", fleet.TokenFile, "--alone", leaseTime.String()}
	if p.Kind == fleet.ControlPlane {
		command = append(command, "--dns", netip.AddrPortFrom(address, 53).String(), "--api", fleet.APISocket)
	}
	proxy := h.request(p, "proxy", command)
	proxy.Networks = []string{h.network}
	proxy.Files = []testcontainers.ContainerFile{{Reader: strings.NewReader(h.token), ContainerFilePath: fleet.TokenFile, FileMode: 0o444}}
	proxy.EndpointSettingsModifier = func(all map[string]*network.EndpointSettings) {
		all[h.network] = &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address}}
	}
	proxy.ConfigModifier = func(c *container.Config) {
		c.User, c.Hostname = user(fleet.ProxyUser), p.Name
		c.Volumes = map[string]struct{}{fleet.AppDir: {}}
	}
	domain := model.DefaultMesh().Domain
	proxy.HostConfigModifier = func(c *container.HostConfig) {
		unprivileged(c)
		c.DNS, c.DNSOptions = []netip.Addr{h.control}, []string{"ndots:5"}
		c.DNSSearch = []string{p.Namespace + "." + domain, domain, domain[strings.Index(domain, ".")+1:]}
		c.Sysctls = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"}
	}
	first, err := h.run(ctx, one, proxy)
	if err != nil || p.Kind != fleet.Workload {
		return err
	}
	within := container.NetworkMode("container:" + first.GetContainerID())

	capture := h.request(p, "init", []string{fleet.Squall, "init-net", "--user", strconv.Itoa(fleet.ProxyUser)})
	capture.WaitingFor = wait.ForExit()
	capture.ConfigModifier = func(c *container.Config) { c.User = "0:0" }
	capture.HostConfigModifier = func(c *container.HostConfig) {
		unprivileged(c)
		c.NetworkMode, c.CapAdd = within, []string{"NET_ADMIN"}
	}
	init, err := h.run(ctx, one, capture)
	if err != nil {
		return err
	}
	if s, err := init.State(ctx); err != nil || s.ExitCode != 0 {
		return fmt.Errorf("its traffic cannot be redirected (%w)", err)
	}

	app := h.request(p, "app", []string{fleet.Squall, "agent", "--socket", fleet.AppSocket, "--alone", leaseTime.String()})
	app.ConfigModifier = func(c *container.Config) { c.User = user(fleet.AppUser) }
	app.HostConfigModifier = func(c *container.HostConfig) {
		unprivileged(c)
		c.NetworkMode, c.VolumesFrom = within, []string{first.GetContainerID()}
	}
	_, err = h.run(ctx, one, app)
	return err
}

func (h *host) request(p fleet.Pod, part string, command []string) testcontainers.ContainerRequest {
	return testcontainers.ContainerRequest{
		Image: h.image, Name: h.network + "-" + p.Name + "-" + part, Entrypoint: command[:1], Cmd: command[1:],
		Labels: map[string]string{Label: h.network},
	}
}

// run starts a container, which is the pod's from then on.
func (h *host) run(ctx context.Context, one *pod, r testcontainers.ContainerRequest) (testcontainers.Container, error) {
	c, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{ContainerRequest: r, Started: true, Logger: quiet{}})
	if c != nil {
		h.mu.Lock()
		one.containers = append(one.containers, c)
		h.mu.Unlock()
	}
	return c, err
}

func user(id int) string { return fmt.Sprintf("%d:%d", id, id) }

// unprivileged takes from a container what it does not need.
func unprivileged(c *container.HostConfig) {
	c.CapDrop, c.SecurityOpt = []string{"ALL"}, []string{"no-new-privileges"}
}

// quiet drops what testcontainers says.
type quiet struct{}

// Printf does nothing.
func (quiet) Printf(string, ...any) {}
