package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/netns"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/docker"
	"github.com/squallmesh/squall/mesh/platform/kind"
)

// insideVariable tells a program that netns.Enter runs who it is outside: PID:UID:DIR, of the program that entered, with the folder
// that goes with it.
const insideVariable = "SQUALL_INSIDE"

// outside is what a program inside of namespaces cannot see itself.
type outside struct {
	pid, uid int
	dir      string
}

// parseOutside reads insideVariable; nil where it is not set.
func parseOutside(v string) *outside {
	parts := strings.SplitN(v, ":", 3)
	if len(parts) != 3 {
		return nil
	}
	pid, err := strconv.Atoi(parts[0])
	uid, err2 := strconv.Atoi(parts[1])
	if errors.Join(err, err2) != nil {
		return nil
	}
	return &outside{pid: pid, uid: uid, dir: parts[2]}
}

// auto is pods where the system allows them, else loopback.
const auto = "auto"

func platformFlag(c *cobra.Command, platform *string) {
	c.Flags().StringVar(platform, "platform", auto, "auto: pods where they work, else loopback; loopback, pods: network namespaces with redirected traffic (Linux), docker: containers, or kind: a cluster in Docker")
}

// onPlatform runs f where the labs of a platform can be. Pods need namespaces: there the program runs itself again, which then comes
// here inside of them. Files named go with this program even if it is killed.
func onPlatform(ctx context.Context, env *environment, name string, files []string, f func(platform.Form) error) error {
	if name == auto {
		name = string(platform.Loopback)
		if env.outside != nil || tryPods(ctx, env) == nil {
			name = string(platform.Pods)
		}
	}
	switch name {
	case string(platform.Loopback):
		return f(platform.Loopback)
	case string(platform.Pods):
	case string(platform.Kind):
		if err := kind.Check(ctx); err != nil {
			return broken(err)
		}
		return f(platform.Kind)
	case string(platform.Docker):
		if err := docker.Check(ctx); err != nil {
			return broken(err)
		}
		return f(platform.Docker)
	default:
		return invalid(fmt.Errorf("--platform %s: there are auto, loopback, pods, docker and kind", name))
	}
	if env.outside == nil {
		return enterPods(ctx, env, files, slices.Concat([]string{env.self}, env.args)...)
	}
	if err := netns.Check(); err != nil {
		return broken(&netns.RefusedError{Err: err})
	}
	return f(platform.Pods)
}

// enterPods runs a command inside of namespaces, and gives its exit code as an error.
func enterPods(ctx context.Context, env *environment, files []string, command ...string) (err error) {
	owner, dir, err := newOwner(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, owner.Close()) }()
	for _, file := range files {
		if err := owner.RemoveAtEnd(file); err != nil {
			return broken(err)
		}
	}
	signals, done := signalsOf(ctx)
	defer done()
	code, err := netns.Enter(netns.Entry{
		Init:  slices.Concat([]string{env.self, "pod-init"}, command),
		Env:   append(slices.Clone(env.environ), fmt.Sprintf("%s=%d:%d:%s", insideVariable, os.Getpid(), os.Getuid(), dir)),
		Stdin: env.stdin, Stdout: env.stdout, Stderr: env.stderr, Signals: signals,
	})
	if err != nil {
		return broken(err)
	}
	if code != exitPass {
		return &exitError{code: code}
	}
	return nil
}

// signalsOf gives the signal that ends the context, if one does.
func signalsOf(ctx context.Context) (signals <-chan os.Signal, done func()) {
	out := make(chan os.Signal, 1)
	stop := context.AfterFunc(ctx, func() {
		if s, ok := errors.AsType[*signalError](context.Cause(ctx)); ok {
			out <- map[int]os.Signal{exitInterrupted: syscall.SIGINT, exitTerminated: syscall.SIGTERM}[s.code]
		}
	})
	return out, func() { stop() }
}

func newPodInitCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use: "pod-init COMMAND...", Short: "Be the first process of new namespaces", Hidden: true, DisableFlagParsing: true,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if code := netns.Init(args, env.environ); code != exitPass {
				return &exitError{code: code}
			}
			return nil
		},
	}
}

func newPodCheckCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use: "pod-check", Short: "Try what labs of pods need", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return onPlatform(c.Context(), env, string(platform.Pods), nil, func(platform.Form) error { return nil })
		},
	}
}
