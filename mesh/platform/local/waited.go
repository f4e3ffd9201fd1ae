package local

import (
	"fmt"
	"time"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/proc"
)

// Waited is how long threads of the workloads' processes have been ready to run and had no processor, as far as the system tells: by
// workload, then by thread.
func (l *Lab) Waited() map[string]map[string]time.Duration {
	out := map[string]map[string]time.Duration{}
	for _, i := range l.running() {
		threads := map[string]time.Duration{}
		for _, p := range l.processes(i, platform.Both) {
			for thread, waited := range proc.Waited(p.PID()) {
				threads[fmt.Sprint(p.PID(), thread)] = waited
			}
		}
		out[i.Name] = threads
	}
	return out
}
