//go:build !linux

package proc

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dieWithParent does nothing: only Linux has a parent-death signal. The watchdog does the work.
func dieWithParent(*syscall.SysProcAttr) {}

// awaitExit returns when the child pid has ended, and leaves it to be reaped. (waitid would return early for a stopped
// child on macOS, golang/go#19314.)
func awaitExit(pid int) {
	queue, err := unix.Kqueue()
	if err != nil {
		return
	}
	defer unix.Close(queue) //nolint:errcheck // nothing was written
	change := unix.Kevent_t{Fflags: unix.NOTE_EXIT}
	unix.SetKevent(&change, pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	for {
		n, err := unix.Kevent(queue, []unix.Kevent_t{change}, make([]unix.Kevent_t, 1), nil)
		if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) { // ESRCH: it has ended already
			return
		}
	}
}

// listProcesses asks ps.
func listProcesses() ([]Member, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "/bin/ps", "-axo", "pid=,ppid=,pgid=,stat=,comm=").Output()
	if err != nil {
		return nil, fmt.Errorf("run ps: %w", err)
	}
	var members []Member
	for line := range strings.SplitSeq(string(out), "\n") {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		m := Member{Command: strings.Join(fields[4:], " "), State: Running}
		m.PID, _ = strconv.Atoi(fields[0])
		m.Parent, _ = strconv.Atoi(fields[1])
		m.Group, _ = strconv.Atoi(fields[2])
		switch fields[3][0] {
		case 'T':
			m.State = Stopped
		case 'Z':
			m.State = Gone
		}
		members = append(members, m)
	}
	sort.Slice(members, func(i, j int) bool { return members[i].PID < members[j].PID })
	return members, nil
}

// The environment of other processes cannot be read reliably here, so nothing is found by its mark.
func isMark(string) func(int) bool         { return func(int) bool { return false } }
func isMarkOf(string) func(int) bool       { return func(int) bool { return false } }
func killMarked(func(int) bool, time.Time) {}
