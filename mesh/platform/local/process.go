package local

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/proc"
)

// startControlPlane runs squall mesh. Its sockets are opened here, so that proxies can connect before it is up.
func (l *Lab) startControlPlane(ctx context.Context) error {
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	for _, name := range []string{"xds.sock", "api.sock", caSocket} {
		f, err := unixListener(ctx, filepath.Join(l.opts.Dir, name))
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	log, err := logFile(l.opts.Dir, "mesh.log")
	if err != nil {
		return err
	}
	args := []string{"mesh", "--xds-fd", "3", "--api-fd", "4"}
	if l.opts.Exact {
		args = append(args, "--profile", "exact")
	}
	args = append(args, "--capture", string(l.net.capture()))
	args = slices.Concat(args, l.identityArgs(5), l.opts.ControlPlane)
	p, err := l.opts.Owner.Start(proc.Spec{
		Name: "control plane", Path: l.opts.Squall, Args: args, Env: l.opts.Env, Log: log, ExtraFiles: files,
	})
	if err != nil {
		return fmt.Errorf("control plane: %w", err)
	}
	l.mu.Lock()
	l.control = p
	l.mu.Unlock()
	l.watch("the control plane", p)
	return nil
}

// unixListener opens a socket that only this user may reach, in place of an older one.
func unixListener(ctx context.Context, path string) (*os.File, error) {
	if err := envoy.CheckSocketPath(path); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("old socket: %w", err)
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	u := ln.(*net.UnixListener)
	u.SetUnlinkOnClose(false)
	defer func() { _ = u.Close() }()
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	return u.File()
}

// StopControlPlane ends the control plane; traffic keeps the rules it has.
func (l *Lab) StopControlPlane(ctx context.Context) error {
	l.mu.Lock()
	p := l.control
	l.planned[p] = true
	l.mu.Unlock()
	return p.Stop(ctx)
}

// StartControlPlane starts a stopped control plane, tells it everything, and returns when all proxies have come back
// to it.
func (l *Lab) StartControlPlane(ctx context.Context) error {
	if err := l.startControlPlane(ctx); err != nil {
		return err
	}
	if err := l.applyAll(ctx); err != nil {
		return err
	}
	var ids []string
	for _, i := range l.running() {
		select {
		case <-i.envoy.Done():
		default:
			ids = append(ids, i.ID())
		}
	}
	return l.client.WaitLive(ctx, ids...)
}

func (l *Lab) startApp(ctx context.Context, i *Instance) error {
	if len(i.Command) == 0 {
		return nil
	}
	log, err := logFile(i.dir, AppLogFile)
	if err != nil {
		return err
	}
	program := i.Command[0]
	if strings.Contains(program, "/") && !filepath.IsAbs(program) {
		program = filepath.Join(i.workDir, program) // where it runs
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("the command of %s: %w", i.Name, err)
	}
	if err := os.Remove(i.ControlSocket); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("old socket of %s: %w", i.Name, err)
	}
	p, err := l.opts.Owner.Start(proc.Spec{
		Name: i.Name, Path: path, Args: i.Command[1:], Dir: i.workDir, Log: log,
		Env: slices.Concat(l.opts.Env, environment(i.env)), Fork: l.net.fork(i),
	})
	if err != nil {
		return fmt.Errorf("%s: %w", i.Name, err)
	}
	l.mu.Lock()
	i.app = p
	l.mu.Unlock()
	l.watch("the app of "+i.Name, p)
	return l.listening(ctx, i)
}

func environment(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

// appPoll is how often a starting app is asked whether it listens.
const appPoll = 2 * time.Millisecond

// listening waits until the app accepts on every port it must.
func (l *Lab) listening(ctx context.Context, i *Instance) error {
	dial := l.net.dial(i)
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	for _, in := range i.Inbound {
		if in.Protocol == model.UDP {
			continue
		}
		address := fmt.Sprintf("%s:%d", in.App.Address, in.App.Port)
		for {
			c, err := dial(ctx, "tcp", address)
			if err == nil {
				_ = c.Close()
				break
			}
			select {
			case <-i.app.Done():
				return fmt.Errorf("the app of %s ended before it listened at %s: %w\nits last lines:\n    %s",
					i.Name, address, i.app.Err(), joinLines(i.app.LogTail(10)))
			case <-ctx.Done():
				return fmt.Errorf("the app of %s does not listen at %s (%w); its command was: %s\n"+
					"an app must listen on {{.Address}}:{{.Port}}, in a loopback lab not on all addresses", i.Name, address, err, strings.Join(i.Command, " "))
			case <-time.After(appPoll):
			}
		}
	}
	return nil
}

func (l *Lab) startEnvoy(ctx context.Context, i *Instance) error {
	if i.stopAgent == nil {
		if err := l.identities.serve(ctx, l, i); err != nil {
			return err
		}
	}
	options := envoy.Options{
		Binary: l.opts.Envoy, Dir: i.dir, Concurrency: l.opts.Concurrency, DrainTime: l.opts.DrainTime, Fork: l.net.fork(i),
		Bootstrap: envoy.BootstrapOptions{
			NodeID: i.ID(), Cluster: i.CanonicalService() + "." + i.Namespace,
			Locality:  envoy.Locality{Region: i.Locality.Region, Zone: i.Locality.Zone, SubZone: i.Locality.SubZone},
			Metadata:  map[string]string{mesh.AdminMetadata: i.AdminAddress},
			Admin:     i.AdminAddress,
			XDS:       "unix://" + filepath.Join(l.opts.Dir, "xds.sock"),
			AccessLog: "unix://" + filepath.Join(l.opts.Dir, AccessLogSocket),
			Zipkin:    "unix://" + filepath.Join(l.opts.Dir, ZipkinSocket),
			SDS:       "unix://" + filepath.Join(i.dir, sdsSocket),
			Leases:    model.LeaseSlots,
		},
	}
	l.net.bootstrap(&options.Bootstrap, &i.Workload.Workload)
	e, err := envoy.Start(ctx, l.opts.Owner, options)
	if err != nil {
		return fmt.Errorf("the proxy of %s: %w", i.Name, err)
	}
	l.mu.Lock()
	i.envoy = e
	l.mu.Unlock()
	l.watch("the proxy of "+i.Name, e.Process())
	return e.Ready(ctx)
}
