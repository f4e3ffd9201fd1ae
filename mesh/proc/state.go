package proc

import (
	"fmt"
	"slices"
)

// State is what the system says of a process.
type State int

// The states. Gone covers processes that do not exist and zombies, which run nothing.
const (
	Gone State = iota
	Running
	Stopped
)

// String returns the state as messages name it.
func (s State) String() string {
	switch s {
	case Gone:
		return "gone"
	case Running:
		return "running"
	case Stopped:
		return "stopped"
	default:
		return fmt.Sprintf("state %d", int(s))
	}
}

// Member is one process of a tree.
type Member struct {
	PID     int
	Parent  int
	Group   int
	Command string // short name, as the kernel keeps it
	State   State
}

// String returns the member as messages name it, for instance "envoy (12345, stopped)".
func (m Member) String() string { return fmt.Sprintf("%s (%d, %s)", m.Command, m.PID, m.State) }

// Alive reports whether a process of an id runs or is stopped. Zombies do not, though their parent may never reap them.
func Alive(pid int) bool {
	list, err := listProcesses()
	if err != nil {
		return false
	}
	return slices.ContainsFunc(list, func(m Member) bool { return m.PID == pid && m.State != Gone })
}

// State reads from the system how the tree fares: Running if any member runs, Stopped if all that live are stopped, Gone if
// none lives. It is evidence and not memory of what was asked. If the system cannot be read the state is Gone only when
// the process has been reaped, else Running.
func (p *Process) State() State {
	members, err := p.Members()
	if err != nil {
		return Running
	}
	state := Gone
	for _, m := range members {
		switch m.State {
		case Running:
			return Running
		case Stopped:
			state = Stopped
		case Gone:
		}
	}
	return state
}

// Members returns the process and all its descendants, by process id. Zombies are listed as Gone. It is empty after the end.
func (p *Process) Members() ([]Member, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return nil, nil
	}
	return p.members()
}

// members requires p.mu and that the process has not been reaped.
func (p *Process) members() ([]Member, error) {
	all, err := listProcesses()
	if err != nil {
		return nil, fmt.Errorf("read the processes of %s: %w", p.name, err)
	}
	return tree(all, p.pid, isMark(p.mark)), nil
}

// tree selects the process root, its descendants by parent, the members of its group, and whatever carries the mark, with
// the descendants of those.
func tree(all []Member, root int, marked func(pid int) bool) []Member {
	in := make(map[int]bool, 8)
	for _, m := range all {
		if m.PID == root || m.Group == root || marked(m.PID) {
			in[m.PID] = true
		}
	}
	for grown := true; grown; {
		grown = false
		for _, m := range all {
			if !in[m.PID] && in[m.Parent] {
				in[m.PID], grown = true, true
			}
		}
	}
	var members []Member
	for _, m := range all {
		if in[m.PID] {
			members = append(members, m)
		}
	}
	return members
}
