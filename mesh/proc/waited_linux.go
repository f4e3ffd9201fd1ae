package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Waited is how long each thread of a process, by its id, has been ready to run and was not, because every processor had other work (Linux'
// schedstat). It is empty if that cannot be told: the process is gone, or the kernel keeps no such account.
func Waited(pid int) map[int]time.Duration {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	out := map[int]time.Duration{}
	for _, t := range threads {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, t.Name()))
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(data)) // on a processor, waiting, time slices
		id, err := strconv.Atoi(t.Name())
		if err != nil || len(fields) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			out[id] = time.Duration(n)
		}
	}
	return out
}
