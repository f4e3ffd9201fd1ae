package netns

import (
	"io"
	"os"
)

// Entry is a command line that is to run inside of namespaces of its own.
type Entry struct {
	// Init is the command line of a program that calls [Init]; Env its whole environment.
	Init []string
	Env  []string
	// Stdin, Stdout and Stderr are handed on: a file as it is, a terminal included.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Signals are passed on to the command. nil passes none.
	Signals <-chan os.Signal
}

// RefusedError says that the system does not let namespaces be made. Hint says what to do, where that is known.
type RefusedError struct {
	Err  error
	Hint string
}

// Error gives one sentence.
func (e *RefusedError) Error() string {
	if e.Hint == "" {
		return "this system does not allow pods: " + e.Err.Error()
	}
	return "this system does not allow pods: " + e.Err.Error() + "; " + e.Hint
}

func (e *RefusedError) Unwrap() error { return e.Err }

// readyFD is the file descriptor on which Init says whether its namespaces are made.
const readyFD = 3

// ready is what Init says if they are; anything else is the reason why not.
const ready = "ready"
