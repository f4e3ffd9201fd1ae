package fleet

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/proc"
	"github.com/squallmesh/squall/mesh/tunnel"
)

// poll is how often something is asked that cannot tell by itself.
const poll = 20 * time.Millisecond

// startControlPlane runs squall mesh in its pod.
func (l *Lab) startControlPlane(ctx context.Context) error {
	command := []string{
		Squall, "mesh", "--xds", l.host.Discovery(), "--api", APISocket, "--token-file", TokenFile, "--capture", string(model.CaptureRedirect),
	}
	if l.spec.Exact {
		command = append(command, "--profile", "exact")
	}
	args, files, err := l.startIdentities()
	if err != nil {
		return err
	}
	command = append(command, args...)
	if err := l.control.proxy.Run(ctx, agent.Spec{Name: "control plane", Command: command, Files: files}); err != nil {
		return fmt.Errorf("control plane: %w", err)
	}
	if err := l.answers(ctx); err != nil {
		return err
	}
	if l.identities.roots, err = l.client.Roots(ctx); err != nil {
		return err
	}
	l.watch(ctx, l.control, "the control plane", l.control.proxy)
	return nil
}

// answers waits until the control plane takes orders.
func (l *Lab) answers(ctx context.Context) error {
	return until(ctx, l.control.proxy, func(ctx context.Context) error {
		_, err := l.client.Status(ctx)
		return err
	})
}

// launch starts the processes of members anew, and returns when all listen and hold their configuration, for which tell tells the control
// plane of them.
func (l *Lab) launch(ctx context.Context, list []*member, tell func(context.Context) error) error {
	g, starting := errgroup.WithContext(ctx)
	g.Go(func() error { return tell(starting) })
	g.Go(func() error {
		return l.each(starting, list, func(m *member, ctx context.Context) error { return l.startProxy(ctx, m) })
	})
	g.Go(func() error {
		return l.each(starting, list, func(m *member, ctx context.Context) error { return l.startApp(ctx, m) })
	})
	if err := g.Wait(); err != nil {
		return err
	}
	var ids []string
	for _, m := range list {
		ids = append(ids, m.ID())
	}
	if err := l.client.WaitLive(ctx, ids...); err != nil {
		return err
	}
	return l.each(ctx, list, func(m *member, ctx context.Context) error {
		if err := m.Admin().Ready(ctx); err != nil {
			return err
		}
		l.watch(ctx, m, "the proxy of "+m.Name, m.proxy)
		if m.app != nil {
			l.watch(ctx, m, "the app of "+m.Name, m.app)
		}
		return nil
	})
}

func (l *Lab) startProxy(ctx context.Context, m *member) error {
	b := envoy.BootstrapOptions{
		NodeID: m.ID(), Cluster: m.CanonicalService() + "." + m.Namespace,
		Locality:  envoy.Locality{Region: m.Locality.Region, Zone: m.Locality.Zone, SubZone: m.Locality.SubZone},
		Admin:     m.AdminAddress,
		Metadata:  map[string]string{mesh.AdminMetadata: m.AdminAddress, mesh.AgentMetadata: net.JoinHostPort(m.Address, strconv.Itoa(m.pod.Port()))},
		XDS:       l.host.Discovery(),
		AccessLog: l.collector.AccessLogs, Zipkin: l.collector.Traces,
		Leases: model.LeaseSlots,
	}
	if m.pod.Kind == Gateway { // its pod may have more addresses than one, by which nobody would know it
		b.SourceAddress = m.Address
	}
	id, err := l.identity(m)
	if err != nil {
		return fmt.Errorf("the proxy of %s: %w", m.Name, err)
	}
	if err := m.proxy.Run(ctx, agent.Spec{Name: "Envoy", Envoy: &agent.Envoy{Path: Envoy, Dir: envoyDir, Bootstrap: b, Identity: id}}); err != nil {
		return fmt.Errorf("the proxy of %s: %w", m.Name, err)
	}
	if err := until(ctx, m.proxy, m.Admin().Ready); err != nil {
		return fmt.Errorf("the proxy of %s: %w", m.Name, err)
	}
	return nil
}

func (l *Lab) startApp(ctx context.Context, m *member) error {
	if m.app == nil {
		return nil
	}
	if err := m.app.Run(ctx, agent.Spec{Name: m.Name, Command: m.Command, Env: m.env}); err != nil {
		return fmt.Errorf("the app of %s: %w", m.Name, err)
	}
	return l.listening(ctx, m)
}

// listening waits until the app accepts on every port it must.
func (l *Lab) listening(ctx context.Context, m *member) error {
	for _, in := range m.Inbound {
		if in.Protocol == model.UDP {
			continue
		}
		at := net.JoinHostPort(in.App.Address, strconv.FormatUint(uint64(in.App.Port), 10))
		err := until(ctx, m.app, func(ctx context.Context) error {
			c, err := m.fromApp(ctx, tunnel.TCP, at)
			if err != nil {
				return err
			}
			return c.Close()
		})
		if err != nil {
			return fmt.Errorf("the app of %s does not listen at %s; its command was %s: %w", m.Name, at, strings.Join(m.Command, " "), err)
		}
	}
	return nil
}

// until asks again and again whether what an agent runs is as it should be, as long as it runs.
func until(ctx context.Context, a *agent.Client, holds func(context.Context) error) error {
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		if s, e := a.Status(ctx); e == nil && s.Ended != "" {
			return fmt.Errorf("%s\nits last lines:\n    %s", s.Ended, strings.Join(s.Log, "\n    "))
		}
		select {
		case <-ctx.Done():
			s, _ := a.Status(context.WithoutCancel(ctx))
			return fmt.Errorf("%w (%w)\nits last lines:\n    %s", err, context.Cause(ctx), strings.Join(s.Log, "\n    "))
		case <-time.After(poll):
		}
	}
}

// watch reports the unplanned end of a process, or of its agent.
func (l *Lab) watch(ctx context.Context, m *member, what string, a *agent.Client) {
	l.inBackground(ctx, m, func(ctx context.Context) {
		s, err := a.Ended(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			l.fail(ctx, m, fmt.Errorf("%s is out of reach: %w", what, err))
		default:
			l.fail(ctx, m, fmt.Errorf("%s ended by itself: %s\nits last lines:\n    %s", what, s.Ended, strings.Join(s.Log[max(0, len(s.Log)-5):], "\n    ")))
		}
	})
}

// restartControlPlane starts a stopped control plane, tells it everything, and returns when all proxies have come back to it.
func (l *Lab) restartControlPlane(ctx context.Context) error {
	if _, err := l.control.proxy.Act(ctx, agent.Start); err != nil {
		return err
	}
	if err := l.answers(ctx); err != nil {
		return err
	}
	if err := l.applyAll(ctx); err != nil {
		return err
	}
	var ids []string
	for _, m := range l.live() {
		if s, err := m.proxy.Status(ctx); err == nil && s.State != proc.Gone.String() {
			ids = append(ids, m.ID())
		}
	}
	return l.client.WaitLive(ctx, ids...)
}
