package main

import (
	"context"
	"errors"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/diag"
)

// The exit codes. 2 is never used on purpose: a Go panic and make return it.
const (
	exitPass         = 0
	exitFail         = 1
	exitInvalid      = 3
	exitBroken       = 4
	exitInconclusive = 5
	exitInterrupted  = 130
	exitTerminated   = 143
)

// exitError carries the exit code of a command that has said all that is to be said, or says it in its message.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// invalid marks input that cannot be used: nothing was started.
func invalid(err error) error { return &exitError{exitInvalid, err} }

// broken marks a lab that could not start, or broke.
func broken(err error) error { return &exitError{exitBroken, err} }

// exitCode decides how the program ends. A signal's own code wins, since what follows a signal is its consequence.
func exitCode(ctx context.Context, err error) int {
	if sig, ok := errors.AsType[*signalError](context.Cause(ctx)); ok {
		return sig.code
	}
	var e *exitError
	var apply *mesh.ApplyError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &e):
		return e.code
	case diag.From(err) != nil:
		return exitInvalid
	case errors.As(err, &apply) && (apply.Kind == mesh.KindInvalid || apply.Kind == mesh.KindRejected):
		return exitInvalid
	}
	return exitBroken
}
