package proc

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// killTimeout bounds how long [Process.Kill] waits for killed processes to vanish. Only a process stuck in the kernel
// (state D) takes longer.
const killTimeout = 5 * time.Second

// drainTimeout bounds the wait for the last output after the end of a process: a descendant that escaped may hold the pipe.
const drainTimeout = 200 * time.Millisecond

// Process is a started process and all its descendants. Its methods may be called from several goroutines.
type Process struct {
	owner *Owner
	name  string
	mark  string
	seq   int
	pid   int
	cmd   *exec.Cmd
	tail  *tail

	copied chan struct{} // closed when all output has been read
	done   chan struct{} // closed at the end of everything

	mu      sync.Mutex
	reaped  bool // the pid may belong to somebody else from now on
	stopped bool // Stop or Kill was called
	paused  bool
	exitErr error
	logErr  error
}

func newProcess(o *Owner, name, mark string, seq int, cmd *exec.Cmd, t *tail) *Process {
	return &Process{
		owner: o, name: name, mark: mark, seq: seq, pid: cmd.Process.Pid, cmd: cmd, tail: t,
		copied: make(chan struct{}), done: make(chan struct{}),
	}
}

// Name is the name given in the Spec.
func (p *Process) Name() string { return p.name }

// PID is the process id, which is also the id of its process group.
func (p *Process) PID() int { return p.pid }

// Done is closed when the process has ended, its descendants are killed and its output is read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit returns how the process ended, or nil while it runs.
func (p *Process) Exit() *os.ProcessState {
	select {
	case <-p.done:
		return p.cmd.ProcessState
	default:
		return nil
	}
}

// Err is nil while the process runs, and after it ended with status 0 or because of Stop or Kill. Else it says how the
// process ended and what it printed last.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || p.exitErr == nil {
		return nil
	}
	if last := p.tail.lines(1); len(last) == 1 {
		return fmt.Errorf("%s ended: %w; it printed last: %s", p.name, p.exitErr, last[0])
	}
	return fmt.Errorf("%s ended: %w; it printed nothing", p.name, p.exitErr)
}

// LogTail returns up to n of the last lines that the process wrote, oldest first. At most Spec.TailLines are kept, each
// cut at 4 KiB.
func (p *Process) LogTail(n int) []string { return p.tail.lines(n) }

// LogErr is the error that ended the writing to Spec.Log, for instance a full disk.
func (p *Process) LogErr() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logErr
}

// Stop sends SIGTERM to the process group, resumes it if it was paused, and waits. When ctx ends before the process does,
// the whole tree gets SIGKILL; whether that was needed is told by Exit. Without an end of ctx, Stop waits as long as the
// process takes. The error is not nil only if something survived.
func (p *Process) Stop(ctx context.Context) error {
	paused := false
	p.signalGroup(syscall.SIGTERM, func() { p.stopped, paused, p.paused = true, p.paused, false })
	if paused { // a stopped process does not see SIGTERM
		_, _ = p.signalMembers(syscall.SIGCONT, Running) // an error means that it ended, or that SIGKILL will have to do
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return p.Kill()
	}
}

// Kill sends SIGKILL to the process and all its descendants and waits until they are gone, at most 5 seconds.
func (p *Process) Kill() error {
	p.signalGroup(syscall.SIGKILL, func() {
		p.stopped = true
		_ = syscall.Kill(p.pid, syscall.SIGKILL) // in case it changed its group
	})
	timer := time.NewTimer(killTimeout)
	defer timer.Stop()
	select {
	case <-p.done: // wait() killed the rest of the tree
		return nil
	case <-timer.C:
		return fmt.Errorf("%s (process %d) survived SIGKILL for %s: it hangs in the kernel", p.name, p.pid, killTimeout)
	}
}

// Signal sends sig to the process group. After the end of the process it does nothing.
func (p *Process) Signal(sig syscall.Signal) { p.signalGroup(sig, nil) }

func (p *Process) signalGroup(sig syscall.Signal, before func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return
	}
	if before != nil {
		before()
	}
	_ = syscall.Kill(-p.pid, sig) // the leader is not reaped, so that the group exists; EPERM of one member is not ours to judge
}

// wait sees the process to its end: the rest of its tree is killed while the dead leader still holds the process id, so
// that no signal can hit a stranger.
func (p *Process) wait(out *os.File) {
	awaitExit(p.pid)
	p.mu.Lock()
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	killMarked(isMark(p.mark), time.Now().Add(killTimeout))
	_ = p.owner.tell("forget " + strconv.Itoa(p.pid)) // the watchdog may be gone: nothing is lost
	p.exitErr = p.cmd.Wait()
	p.reaped = true
	p.mu.Unlock()

	_ = out.SetReadDeadline(time.Now().Add(drainTimeout))
	<-p.copied
	_ = out.Close()
	p.owner.mu.Lock()
	delete(p.owner.processes, p)
	p.owner.mu.Unlock()
	close(p.done)
}

func (p *Process) copyOutput(out io.Reader, log io.Writer) {
	defer close(p.copied)
	buf := make([]byte, 16<<10)
	for {
		n, err := out.Read(buf)
		p.tail.add(buf[:n])
		if log != nil && n > 0 {
			if _, logErr := log.Write(buf[:n]); logErr != nil {
				log = nil
				p.mu.Lock()
				p.logErr = fmt.Errorf("write the log of %s: %w", p.name, logErr)
				p.mu.Unlock()
			}
		}
		if err != nil {
			return
		}
	}
}

func sortByStart(list []*Process) {
	slices.SortFunc(list, func(a, b *Process) int { return a.seq - b.seq })
}
