package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// sweepTimeout bounds what the watchdog does after the owner's end.
const sweepTimeout = 1500 * time.Millisecond

// Watchdog reads lines from in and, at its end, kills what they name and removes the directories; it returns within 2
// seconds of that end. It is the whole work of the process that Options.Watchdog starts, and makes that process ignore
// SIGINT, SIGTERM and SIGHUP. The lines are
//
//	owner ID      the id in the owner's marks (see MarkVariable)
//	group PID     a process group to kill
//	forget PID    that group has ended
//	dir "PATH"    a directory to remove, quoted as Go quotes strings
//
// An error tells of a line that is none of these, of broken input or of a directory that stays; the rest is done even so.
func Watchdog(in io.Reader) error {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	w := watch{groups: make(map[int]bool)}
	var errs []error
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := w.line(lines.Text()); err != nil {
			errs = append(errs, err)
		}
	}
	if err := lines.Err(); err != nil {
		errs = append(errs, fmt.Errorf("read from the owner: %w", err))
	}
	return errors.Join(append(errs, w.sweep(time.Now().Add(sweepTimeout)))...)
}

type watch struct {
	owner  string
	groups map[int]bool
	dirs   []string
}

func (w *watch) line(line string) error {
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case "owner":
		w.owner = arg
	case "group", "forget":
		pid, err := strconv.Atoi(arg)
		if err != nil || pid <= 1 {
			return fmt.Errorf("watchdog: %q names no process group", line)
		}
		if verb == "group" {
			w.groups[pid] = true
		} else {
			delete(w.groups, pid)
		}
	case "dir":
		dir, err := strconv.Unquote(arg)
		if err != nil {
			return fmt.Errorf("watchdog: %q names no directory: %w", line, err)
		}
		if err := checkDir(dir); err != nil {
			return fmt.Errorf("watchdog: %w", err)
		}
		w.dirs = append(w.dirs, dir)
	default:
		return fmt.Errorf("watchdog: %q is not a line it knows", line)
	}
	return nil
}

func (w *watch) sweep(deadline time.Time) error {
	pids := make([]int, 0, len(w.groups))
	for pid := range w.groups {
		pids = append(pids, pid)
	}
	sort.Ints(pids)
	for _, pid := range pids {
		_ = syscall.Kill(-pid, syscall.SIGKILL) // ESRCH: it ended before us
	}
	if w.owner != "" {
		killMarked(isMarkOf(w.owner), deadline)
	}
	var errs []error
	for _, dir := range w.dirs {
		errs = append(errs, removeDir(dir, deadline))
	}
	return errors.Join(errs...)
}

// watchdogClient is the owner's end of a watchdog process.
type watchdogClient struct {
	argv  []string
	cmd   *exec.Cmd
	ended chan struct{}

	mu sync.Mutex
	in *os.File
}

func startWatchdog(argv []string, owner string) (*watchdogClient, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe for the watchdog: %w", err)
	}
	defer out.Close()                         //nolint:errcheck // our copy of the watchdog's end
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec,noctx // the caller's own program; it ends with its input
	cmd.Env = []string{}                      // no mark: an outer owner must not kill it before it has swept
	cmd.Dir = "/"
	cmd.Stdin = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the watchdog %q: %w", argv, err), in.Close())
	}
	w := &watchdogClient{argv: argv, cmd: cmd, in: in, ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(w.ended)
	}()
	if err := w.tell("owner " + owner); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *watchdogClient) tell(line string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.in.SetWriteDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(w.in, line+"\n"); err != nil {
		return fmt.Errorf("the watchdog %q, which ends the child processes if this one is killed, is gone: %w", w.argv, err)
	}
	return nil
}

// close ends the watchdog by ending its input, and waits for it.
func (w *watchdogClient) close() error {
	w.mu.Lock()
	err := w.in.Close()
	w.mu.Unlock()
	timer := time.NewTimer(sweepTimeout + time.Second)
	defer timer.Stop()
	select {
	case <-w.ended:
	case <-timer.C:
		_ = w.cmd.Process.Kill()
		<-w.ended
		return errors.Join(err, fmt.Errorf("the watchdog %q did not end with its input and was killed", w.argv))
	}
	if !w.cmd.ProcessState.Success() {
		return errors.Join(err, fmt.Errorf("the watchdog %q ended: %s", w.argv, w.cmd.ProcessState))
	}
	return err
}
