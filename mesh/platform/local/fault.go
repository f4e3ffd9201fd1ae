package local

import (
	"context"
	"fmt"

	"github.com/squallmesh/squall/mesh/proc"
)

// Target says which processes of a workload are meant.
type Target string

// The targets of process faults.
const (
	App     Target = "app"
	Sidecar Target = "sidecar"
	Both    Target = "both"
)

func (l *Lab) processes(i *Instance, t Target) []*proc.Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*proc.Process
	if t != Sidecar && i.app != nil {
		out = append(out, i.app)
	}
	if t != App && i.envoy != nil {
		out = append(out, i.envoy.Process())
	}
	return out
}

// Kill ends the processes with SIGKILL, descendants included, and returns when they are gone.
func (l *Lab) Kill(_ context.Context, i *Instance, t Target) error {
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
func (l *Lab) Pause(_ context.Context, i *Instance, t Target) error {
	for _, p := range l.processes(i, t) {
		if err := p.Pause(); err != nil {
			return fmt.Errorf("pause %s: %w", i.Name, err)
		}
	}
	return nil
}

// Resume lets paused processes go on.
func (l *Lab) Resume(_ context.Context, i *Instance, t Target) error {
	for _, p := range l.processes(i, t) {
		if err := p.Resume(); err != nil {
			return fmt.Errorf("resume %s: %w", i.Name, err)
		}
	}
	return nil
}

// Revive starts again what was killed, and returns when it serves.
func (l *Lab) Revive(ctx context.Context, i *Instance, t Target) error {
	if t != Sidecar {
		if err := l.startApp(ctx, i); err != nil {
			return err
		}
	}
	if t != App {
		if err := l.startEnvoy(ctx, i); err != nil {
			return err
		}
		return l.client.WaitLive(ctx, i.ID())
	}
	return nil
}

// State tells what the processes are doing, as the kernel sees it: the evidence of a process fault.
func (l *Lab) State(i *Instance, t Target) []proc.State {
	var out []proc.State
	for _, p := range l.processes(i, t) {
		out = append(out, p.State())
	}
	return out
}
