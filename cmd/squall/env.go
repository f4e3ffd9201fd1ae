package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"
)

// environment is all that the program takes from the operating system; tests make their own.
type environment struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	environ        []string
	// self is the path of this program, which it runs for its parts.
	self string
	// cacheDir is where Envoy is kept, tempDir where labs are.
	cacheDir, tempDir string
	// terminal says that stderr is one.
	terminal bool
	// status is the live line of a terminal; nil draws none.
	status *status
	// signals end the run; none: nothing does.
	signals []os.Signal
	// outside is set inside of a lab's namespaces.
	outside *outside
}

func osEnvironment() *environment {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return &environment{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, environ: os.Environ(), self: self,
		cacheDir: filepath.Join(cache, "squall"), tempDir: os.TempDir(),
		terminal: term.IsTerminal(int(os.Stderr.Fd())),
		signals:  []os.Signal{os.Interrupt, syscall.SIGTERM},
		outside:  parseOutside(os.Getenv(insideVariable)),
	}
}

// live is an environment with a live line for so many runs, if stderr is a terminal. Close its status.
func (env *environment) live(runs int) *environment {
	if !env.terminal {
		return env
	}
	out := *env
	out.status = newStatus(env.stderr, runs)
	out.stdout, out.stderr = out.status.writer(env.stdout), out.status.writer(env.stderr)
	return &out
}

type signalError struct{ code int }

func (e *signalError) Error() string {
	if e.code == exitTerminated {
		return "ended by SIGTERM"
	}
	return "ended by Ctrl-C"
}

// run executes the command line and gives the exit code.
func run(env *environment) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	got := make(chan os.Signal, 2)
	if len(env.signals) > 0 { // without any, Notify would take all of them, the runtime's own too
		signal.Notify(got, env.signals...)
		defer signal.Stop(got)
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case s := <-got:
			code := exitInterrupted
			if s == syscall.SIGTERM {
				code = exitTerminated
			}
			cancel(&signalError{code})
		case <-done:
		}
	}()
	root := newRoot(env)
	root.SetArgs(env.args)
	err := root.ExecuteContext(ctx)
	code := exitCode(ctx, err)
	interrupted := code == exitInterrupted || code == exitTerminated
	if err != nil && err.Error() != "" && !(interrupted && errors.Is(err, context.Canceled)) {
		_, _ = fmt.Fprintln(env.stderr, "squall:", err)
	}
	return code
}
