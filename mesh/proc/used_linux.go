package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc (USER_HZ), the same on every machine of the kinds that Go knows.
const tick = 10 * time.Millisecond

// Used is for how long a process and all that descend from it have computed so far, those that have ended and were waited for included. 0 if
// that cannot be told.
func Used(pid int) time.Duration {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	used, children := map[int]time.Duration{}, map[int][]int{}
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, u, ok := stat(id); ok {
			used[id] = u
			children[parent] = append(children[parent], id)
		}
	}
	sum := time.Duration(0)
	for todo := []int{pid}; len(todo) > 0; {
		one := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], children[one]...)
		sum += used[one]
	}
	return sum
}

// stat gives a process's parent, and how long it and its ended children have computed.
func stat(pid int) (parent int, used time.Duration, ok bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false // it has ended
	}
	_, rest, _ := strings.Cut(string(data[strings.LastIndexByte(string(data), ')')+1:]), " ")
	fields := strings.Fields(rest) // state, parent, ..., user, system, children's user, children's system: the 14th to 17th of all
	if len(fields) < 15 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	for _, f := range fields[11:15] {
		n, e := strconv.ParseInt(f, 10, 64)
		if e != nil {
			err = e
		}
		used += time.Duration(n) * tick
	}
	return parent, used, err == nil
}
