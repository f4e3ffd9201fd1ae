package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dieWithParent has the kernel kill the child when the forking thread ends.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// awaitExit returns when the child pid has ended, and leaves it to be reaped.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// listProcesses reads /proc. A process that ends meanwhile is left out.
func listProcesses() ([]Member, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close() //nolint:errcheck // read only
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list /proc: %w", err)
	}
	members := make([]Member, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if m, ok := readStat(pid); ok {
			members = append(members, m)
		}
	}
	sort.Slice(members, func(i, j int) bool { return members[i].PID < members[j].PID })
	return members, nil
}

// readStat parses /proc/PID/stat: "pid (comm) state ppid pgrp ...", where comm may hold anything (proc_pid_stat(5)).
func readStat(pid int) (Member, bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Member{}, false
	}
	open, end := bytes.IndexByte(data, '('), bytes.LastIndexByte(data, ')')
	if open < 0 || end < open {
		return Member{}, false
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) < 3 {
		return Member{}, false
	}
	m := Member{PID: pid, Command: string(data[open+1 : end]), State: Running}
	m.Parent, _ = strconv.Atoi(fields[1])
	m.Group, _ = strconv.Atoi(fields[2])
	switch fields[0] {
	case "T", "t":
		m.State = Stopped
	case "Z", "X", "x":
		m.State = Gone
	}
	return m, true
}

// isMark tells whether a process carries exactly this mark.
func isMark(mark string) func(pid int) bool {
	want := []byte(MarkVariable + "=" + mark)
	return func(pid int) bool {
		return hasEnv(pid, func(v []byte) bool { return bytes.Equal(v, want) })
	}
}

// isMarkOf tells whether a process carries a mark of this owner.
func isMarkOf(owner string) func(pid int) bool {
	want := []byte(MarkVariable + "=" + owner + ":")
	return func(pid int) bool {
		return hasEnv(pid, func(v []byte) bool { return bytes.HasPrefix(v, want) })
	}
}

func hasEnv(pid int, match func([]byte) bool) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false // another user's, or gone
	}
	for v := range bytes.SplitSeq(env, []byte{0}) {
		if match(v) {
			return true
		}
	}
	return false
}

// killMarked kills every process that satisfies marked, until none is left alive or the deadline has passed: one may fork
// while we look.
func killMarked(marked func(pid int) bool, deadline time.Time) {
	for {
		all, err := listProcesses()
		if err != nil {
			return
		}
		left := false
		for _, m := range all {
			if m.State != Gone && marked(m.PID) {
				left = true
				_ = syscall.Kill(m.PID, syscall.SIGKILL)
			}
		}
		if !left || time.Now().After(deadline) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
