package proc

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// MarkVariable is the environment variable that marks every process of an owner, and all their descendants. Its value is
// "<owner>:<n>": a random id for the owner and a running number for the process.
const MarkVariable = "SQUALL_OWNER"

// DefaultGrace is how long [Owner.Close] waits between SIGTERM and SIGKILL if Options.Grace is 0.
const DefaultGrace = 2 * time.Second

// ErrClosed is returned by methods of an [Owner] after Close.
var ErrClosed = errors.New("the owner of this process is closed")

// Options configure an [Owner].
type Options struct {
	// Watchdog is the command line of a process that calls [Watchdog] on its standard input, for instance the path of squall
	// followed by "watchdog". Empty means no watchdog: then a killed owner leaves its directories behind and, except on
	// Linux, its children too.
	Watchdog []string
	// Grace is how long Close waits between SIGTERM and SIGKILL. 0 means DefaultGrace; negative means to kill at once.
	Grace time.Duration
}

// Owner starts processes and ends them all with itself. Its methods may be called from several goroutines.
type Owner struct {
	id       string
	grace    time.Duration
	forks    chan func()
	watchdog *watchdogClient // nil without one

	mu        sync.Mutex
	closed    bool
	started   int
	processes map[*Process]struct{}
	dirs      []string

	closeOnce sync.Once
	closeErr  error
}

// NewOwner starts the watchdog and the thread that forks. The caller must call [Owner.Close].
func NewOwner(opts Options) (*Owner, error) {
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, fmt.Errorf("name a process owner: %w", err)
	}
	o := &Owner{
		id:        hex.EncodeToString(id[:]),
		grace:     opts.Grace,
		forks:     make(chan func()),
		processes: make(map[*Process]struct{}),
	}
	if o.grace == 0 {
		o.grace = DefaultGrace
	}
	if len(opts.Watchdog) > 0 {
		w, err := startWatchdog(opts.Watchdog, o.id)
		if err != nil {
			return nil, err
		}
		o.watchdog = w
	}
	ready := make(chan struct{})
	go o.fork(ready)
	<-ready
	return o, nil
}

// fork runs every start on one thread, which must outlive the children: their parent-death signal is tied to it.
func (o *Owner) fork(ready chan<- struct{}) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	close(ready)
	for f := range o.forks {
		f()
	}
}

// RemoveAtEnd has dir removed, with all it holds, when the owner closes or dies. dir must be an absolute path and not the
// root.
func (o *Owner) RemoveAtEnd(dir string) error {
	if err := checkDir(dir); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return ErrClosed
	}
	if err := o.tell("dir " + strconv.Quote(dir)); err != nil {
		return err
	}
	o.dirs = append(o.dirs, dir)
	return nil
}

// Processes returns the processes that have not ended, in the order of their start.
func (o *Owner) Processes() []*Process {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := make([]*Process, 0, len(o.processes))
	for p := range o.processes {
		list = append(list, p)
	}
	sortByStart(list)
	return list
}

// Close ends all processes (SIGTERM, then SIGKILL after the grace) and removes the directories. It returns once they are
// gone. Later calls return what the first did.
func (o *Owner) Close() error {
	o.closeOnce.Do(func() { o.closeErr = o.close() })
	return o.closeErr
}

func (o *Owner) close() error {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), max(o.grace, 0))
	defer cancel()
	processes := o.Processes()
	results := make(chan error, len(processes))
	for _, p := range processes {
		go func() { results <- p.Stop(ctx) }()
	}
	for range processes {
		errs = append(errs, <-results)
	}
	for _, dir := range o.dirs {
		if err := removeDir(dir, time.Now().Add(time.Second)); err != nil {
			errs = append(errs, err)
		}
	}
	if o.watchdog != nil {
		errs = append(errs, o.watchdog.close())
	}
	close(o.forks)
	return errors.Join(errs...)
}

// tell sends a line to the watchdog, if there is one.
func (o *Owner) tell(line string) error {
	if o.watchdog == nil {
		return nil
	}
	return o.watchdog.tell(line)
}

func checkDir(dir string) error {
	if !filepath.IsAbs(dir) || filepath.Clean(dir) == string(filepath.Separator) {
		return fmt.Errorf("%q cannot be removed at the end: give an absolute path that is not the root", dir)
	}
	return nil
}

// removeDir removes dir and tries again until the deadline, because a process that is just dying may still create files.
func removeDir(dir string, deadline time.Time) error {
	for {
		err := os.RemoveAll(dir)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
