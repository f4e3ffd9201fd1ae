package main

import (
	"fmt"
	"io"
	"os"

	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/reports"
	"github.com/squallmesh/squall/scenarios/record"
)

// onGitHub reports whether a workflow of GitHub runs the program.
func onGitHub(env *environment) bool { return env.getenv("GITHUB_ACTIONS") == "true" }

// tellGitHub annotates what did not pass at its line and adds to the step's summary; elsewhere it does nothing.
func tellGitHub(env *environment, runs []*record.Run) error {
	if !onGitHub(env) {
		return nil
	}
	if err := reports.Annotations(env.stdout, runs); err != nil {
		return err
	}
	return addToSummary(env, func(w io.Writer) error { return reports.Summary(w, runs) })
}

// annotateErrors annotates what is wrong with files.
func annotateErrors(env *environment, err error) {
	if onGitHub(env) {
		_ = reports.Findings(env.stdout, diag.From(err))
	}
}

// addToSummary adds to the summary of a workflow's step, where there is one.
func addToSummary(env *environment, write func(io.Writer) error) error {
	path := env.getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // the workflow names it
	if err != nil {
		return fmt.Errorf("the step's summary: %w", err)
	}
	if err := write(f); err != nil {
		_ = f.Close()
		return fmt.Errorf("the step's summary: %w", err)
	}
	return f.Close()
}
