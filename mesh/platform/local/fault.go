package local

import (
	"context"
	"fmt"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/proc"
)

func (l *Lab) processes(i *Instance, t platform.Target) []*proc.Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*proc.Process
	if t != platform.Sidecar && i.app != nil {
		out = append(out, i.app)
	}
	if t != platform.App && i.envoy != nil {
		out = append(out, i.envoy.Process())
	}
	return out
}

// Kill ends the processes with SIGKILL, descendants included, and returns when they are gone.
func (l *Lab) Kill(_ context.Context, i *Instance, t platform.Target) error {
	for _, p := range l.processes(i, t) {
		l.mu.Lock()
		l.planned[p] = true
		l.mu.Unlock()
		if err := p.Kill(); err != nil {
			return fmt.Errorf("kill %s: %w", i.Name, err)
		}
		<-p.Done()
	}
	return nil
}

// Pause stops the processes with SIGSTOP, descendants included: connections are still accepted by the kernel.
func (l *Lab) Pause(_ context.Context, i *Instance, t platform.Target) error {
	for _, p := range l.processes(i, t) {
		if err := p.Pause(); err != nil {
			return fmt.Errorf("pause %s: %w", i.Name, err)
		}
	}
	return nil
}

// Resume lets paused processes go on.
func (l *Lab) Resume(_ context.Context, i *Instance, t platform.Target) error {
	for _, p := range l.processes(i, t) {
		if err := p.Resume(); err != nil {
			return fmt.Errorf("resume %s: %w", i.Name, err)
		}
	}
	return nil
}

// Revive starts again what was killed, and returns when it serves.
func (l *Lab) Revive(ctx context.Context, i *Instance, t platform.Target) error {
	if t != platform.Sidecar {
		if err := l.startApp(ctx, i); err != nil {
			return err
		}
	}
	if t != platform.App {
		if err := l.startEnvoy(ctx, i); err != nil {
			return err
		}
		return l.client.WaitLive(ctx, i.ID())
	}
	return nil
}

// State tells what the processes are doing, as the kernel sees it: the evidence of a process fault.
func (l *Lab) State(i *Instance, t platform.Target) []proc.State {
	var out []proc.State
	for _, p := range l.processes(i, t) {
		out = append(out, p.State())
	}
	return out
}
