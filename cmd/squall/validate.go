package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
)

// builtinRules gives rule sets that come with Bookinfo, by their names without .yaml.
func builtinRules(names ...string) []config.File {
	var out []config.File
	for _, name := range names {
		path := "rules/" + name + ".yaml"
		if data, err := bookinfo.Files.ReadFile(path); err == nil {
			out = append(out, config.File{Name: "bookinfo/" + path, Data: data})
		}
	}
	return out
}

func newValidateCommand(env *environment) *cobra.Command {
	var app string
	c := &cobra.Command{
		Use:   "validate RULES...",
		Short: "Check rules against an app, without starting anything",
		Long: `Check rules against an app: all problems at once, each with file:line:col, and as warnings what squall lint finds. Nothing is started.

Exit codes: 0 valid (warnings are printed), 3 invalid.`,
		Example: "  squall validate --app bookinfo bookinfo/rules/virtual-service-all-v1.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			a, _, err := loadApp(app)
			if err != nil {
				return invalid(err)
			}
			rules, err := readRules(args)
			if err != nil {
				return invalid(err)
			}
			problems := checkRules(a, rules)
			if err := problems.Err(); err != nil {
				return invalid(err)
			}
			found, rest, err := lintRules(app, rules, nil)
			if err != nil {
				return invalid(err)
			}
			for _, f := range found {
				rest.Add(f.Diagnostic)
			}
			if len(rest) > 0 {
				_, _ = fmt.Fprintln(env.stderr, rest.Sorted().Text())
			}
			_, err = fmt.Fprintf(env.stdout, "%d files are valid\n", len(rules))
			return err
		},
	}
	c.Flags().StringVar(&app, "app", "bookinfo", "a built-in app or the path of an App file")
	return c
}

// checkRules builds what a mesh would be told.
func checkRules(a *config.App, rules []config.File) diag.List {
	docs, problems := config.Parse(append(append([]config.File{}, a.Manifests...), rules...)...)
	_, more := config.Build(config.Set{}.With(docs...), model.Snapshot{}, nil)
	problems.Add(more...)
	return problems
}
