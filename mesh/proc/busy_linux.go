package proc

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/stat (USER_HZ), the same on every machine of the kinds that Go knows.
const tick = 10 * time.Millisecond

// Busy is for how long this machine's processors have computed since its start, the sum of all of them, and how many there are. 0, 0 if that
// cannot be told.
func Busy() (busy time.Duration, processors int) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0
	}
	line, _, _ := strings.Cut(string(data), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal guest guest_nice
	if len(fields) < 8 || fields[0] != "cpu" {
		return 0, 0
	}
	for i, f := range fields[1:8] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, 0
		}
		if i != 3 && i != 4 { // idle, iowait
			busy += time.Duration(n) * tick
		}
	}
	return busy, runtime.NumCPU()
}
