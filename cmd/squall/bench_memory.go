package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// memoryPoll is how often the memory of all processes is read.
const memoryPoll = 250 * time.Millisecond

// watchMemory reads the memory of this process and its descendants until the returned function is called, which gives the
// largest sum in bytes; 0 where there is no /proc.
func watchMemory(ctx context.Context) (peak func() float64) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan float64, 1)
	go func() {
		tick := time.NewTicker(memoryPoll)
		defer tick.Stop()
		most := 0.0
		for {
			most = max(most, treeMemory(os.Getpid()))
			select {
			case <-ctx.Done():
				done <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() float64 {
		cancel()
		return <-done
	}
}

// treeMemory sums the resident sizes of a process and its descendants, in bytes. Processes that end meanwhile are left out.
func treeMemory(root int) float64 {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	type process struct {
		parent int
		pages  float64
	}
	all := map[int]process{}
	for _, f := range files {
		data, err := os.ReadFile(f) //nolint:gosec // below /proc
		if err != nil {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		// After the name in parentheses, which may hold anything: state, parent ... and the resident pages as the 22nd. See
		// proc_pid_stat(5).
		fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
		if len(fields) < 22 {
			continue
		}
		parent, _ := strconv.Atoi(string(fields[1]))
		pages, _ := strconv.ParseFloat(string(fields[21]), 64)
		all[pid] = process{parent, pages}
	}
	sum := 0.0
	for pid, p := range all {
		for at := pid; at != 0; at = all[at].parent {
			if at == root {
				sum += p.pages
				break
			}
		}
	}
	return sum * float64(os.Getpagesize())
}
