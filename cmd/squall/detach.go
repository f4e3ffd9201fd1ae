package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// detachPoll is how often it is looked whether the lab is up.
const detachPoll = 50 * time.Millisecond

// logPath is where a lab in the background writes; squall down removes it.
func logPath(env *environment, name string) string {
	return strings.TrimSuffix(statePath(env, name), ".json") + ".log"
}

// detach starts the same command in the background, without --detach, and returns when its mesh is up. It goes on until squall down.
func detach(ctx context.Context, env *environment, name string) error {
	path := logPath(env, name)
	_ = os.Remove(path)
	log, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // in the user's folder for such files
	if err != nil {
		return broken(fmt.Errorf("the lab's log: %w", err))
	}
	defer func() { _ = log.Close() }()
	args := slices.DeleteFunc(slices.Clone(env.args), func(a string) bool { return a == "--detach" || a == "--detach=true" })
	c := exec.Command(env.self, args...) //nolint:gosec,noctx // ourselves; it is to outlast us
	c.Env, c.Stdout, c.Stderr = env.environ, log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return broken(fmt.Errorf("start the lab: %w", err))
	}
	ended := make(chan int, 1)
	go func() {
		_ = c.Wait()
		ended <- c.ProcessState.ExitCode()
	}()
	tick := time.NewTicker(detachPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = c.Process.Signal(syscall.SIGTERM)
			<-ended
			return errors.Join(context.Cause(ctx), os.Remove(path))
		case code := <-ended:
			said, _ := os.ReadFile(path) //nolint:gosec // our own log
			_, _ = env.stderr.Write(said)
			_ = os.Remove(path)
			if code > 0 {
				return &exitError{code: code}
			}
			return broken(errors.New("the lab ended before it was up"))
		case <-tick.C:
		}
		s, err := loadState(env, name)
		if err != nil {
			continue
		}
		_, _ = fmt.Fprintf(env.stderr, "the mesh is up; squall down%s takes it down; its log: %s\n", nameArgument(name), path)
		_, _ = fmt.Fprintf(env.stdout, "gateway  http://%s:8080\n", s.Gateway)
		_, _ = fmt.Fprintf(env.stdout, "add-ons  http://%s\n", s.Addons)
		for _, p := range s.Proxies {
			_, _ = fmt.Fprintf(env.stdout, "workload %-24s %s\n", p.Workload, p.Address)
		}
		return nil
	}
}

// nameArgument is how other commands name a lab.
func nameArgument(name string) string {
	if name == defaultName {
		return ""
	}
	return " --name " + name
}
