package proc

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Spec describes a process to start.
type Spec struct {
	// Name is what messages call the process. Empty means Path.
	Name string
	// Path is the program. A name without a slash is not looked up: give a path.
	Path string
	// Args are the arguments, without the program's name.
	Args []string
	// Env is the whole environment, "NAME=value" each. Nothing is inherited; the owner's mark is added.
	Env []string
	// Dir is the working directory. Empty means that of the owner.
	Dir string
	// Log receives standard output and standard error as they come, from one goroutine. nil keeps only the tail. After the
	// first error of Log nothing more is written to it; see [Process.LogErr].
	Log io.Writer
	// TailLines is how many of the last lines [Process.LogTail] can return. 0 means DefaultTailLines.
	TailLines int
	// ExtraFiles are inherited as file descriptors 3 and up.
	ExtraFiles []*os.File
	// Fork runs the start on the thread that shall be the parent: the process gets that thread's namespaces, and dies with it. It
	// returns what start does, or why it was not run. nil takes the owner's own.
	Fork func(start func() error) error
}

// DefaultTailLines is how many lines of output are kept if Spec.TailLines is 0.
const DefaultTailLines = 100

// Start starts a process. It reads nothing from standard input. An error says why the program could not be started;
// how it fared afterwards is told by [Process.Done] and [Process.Err].
func (o *Owner) Start(spec Spec) (*Process, error) {
	if spec.Name == "" {
		spec.Name = spec.Path
	}
	if spec.TailLines <= 0 {
		spec.TailLines = DefaultTailLines
	}
	p, err := o.start(spec)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

func (o *Owner) start(spec Spec) (*Process, error) {
	if !strings.Contains(spec.Path, "/") {
		return nil, fmt.Errorf("%q is not a path: give the program's path, with a slash", spec.Path)
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for its output: %w", err)
	}
	defer in.Close() //nolint:errcheck // our copy of the child's end

	// The lock is held while forking: Close, which sets closed under it, then either sees this process or refuses it.
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, errors.Join(ErrClosed, out.Close())
	}
	o.started++
	mark := o.id + ":" + strconv.Itoa(o.started)
	cmd := exec.Command(spec.Path, spec.Args...) //nolint:gosec,noctx // running given programs is the purpose; Stop has the context
	cmd.Env = append(slices.Clone(spec.Env), MarkVariable+"="+mark)
	cmd.Dir = spec.Dir
	cmd.Stdout, cmd.Stderr = in, in
	cmd.ExtraFiles = spec.ExtraFiles
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)

	startErr := make(chan error)
	if spec.Fork != nil {
		go func() { startErr <- spec.Fork(cmd.Start) }()
	} else {
		o.forks <- func() { startErr <- cmd.Start() }
	}
	if err := <-startErr; err != nil {
		return nil, errors.Join(err, out.Close())
	}
	p := newProcess(o, spec.Name, mark, o.started, cmd, newTail(spec.TailLines))
	o.processes[p] = struct{}{}
	tellErr := o.tell("group " + strconv.Itoa(p.pid))
	go p.copyOutput(out, spec.Log)
	go p.wait(out)
	if tellErr != nil {
		go func() { _ = p.Kill() }() // Kill needs the lock that we hold, by way of the process's end
		return nil, tellErr
	}
	return p, nil
}
