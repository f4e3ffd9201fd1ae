package proc

import (
	"fmt"
	"syscall"
	"time"
)

// pauseTimeout bounds how long Pause and Resume wait until the kernel shows the new state.
const pauseTimeout = 2 * time.Second

// Pause stops the process and all its descendants with SIGSTOP, also those in other process groups, and returns when every
// one of them is seen stopped. Mind that the kernel goes on accepting connections for them.
func (p *Process) Pause() error {
	return p.signalTree(syscall.SIGSTOP, Stopped, func() { p.paused = true })
}

// Resume lets the process and all its descendants continue. It does nothing if they were not paused by Pause.
func (p *Process) Resume() error {
	p.mu.Lock()
	paused := p.paused
	p.mu.Unlock()
	if !paused {
		return nil
	}
	return p.signalTree(syscall.SIGCONT, Running, func() { p.paused = false })
}

// signalTree signals every member of the tree until all are in state want. New members may appear while we look, so it
// looks again.
func (p *Process) signalTree(sig syscall.Signal, want State, mark func()) error {
	p.mu.Lock()
	if p.reaped {
		p.mu.Unlock()
		return fmt.Errorf("%s (process %d) has ended", p.name, p.pid)
	}
	mark()
	_ = syscall.Kill(-p.pid, sig)
	p.mu.Unlock()
	deadline := time.Now().Add(pauseTimeout)
	for {
		others, err := p.signalMembers(sig, want)
		if err != nil {
			return err
		}
		if len(others) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not %s after %s: %v", p.name, want, pauseTimeout, others)
		}
		time.Sleep(time.Millisecond)
	}
}

// signalMembers returns the members that were not yet in state want, and signals them.
func (p *Process) signalMembers(sig syscall.Signal, want State) ([]Member, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return nil, fmt.Errorf("%s (process %d) has ended", p.name, p.pid)
	}
	members, err := p.members()
	if err != nil {
		return nil, err
	}
	var others []Member
	for _, m := range members {
		if m.State != want && m.State != Gone {
			_ = syscall.Kill(m.PID, sig)
			others = append(others, m)
		}
	}
	return others, nil
}
