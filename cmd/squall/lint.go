package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/lint"
	"github.com/squallmesh/squall/mesh/model"
)

func newLintCommand(env *environment) *cobra.Command {
	var app string
	var calls []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "lint RULES...",
		Short: "Find rules that are legal and cannot do what they say",
		Long: `Find rules that are legal and cannot do what they say: an ejection whose arithmetic never comes out, retries for which there is no
time, a limit that nothing reaches. Each finding has its place, its arithmetic, and, where there is one, the scenario of the catalogue
that shows it on a real Envoy. Nothing is started. docs/lint.md lists all of them.

Exit codes: 0 nothing found, 1 findings, 3 invalid.`,
		Example: "  squall lint bookinfo/rules/destination-rule-all.yaml\n  squall lint --app shop.yaml --call web:cart --call cart:stock rules/",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			rules, err := readRules(args)
			if err != nil {
				return invalid(err)
			}
			found, rest, err := lintRules(app, rules, calls)
			if err != nil {
				return invalid(err)
			}
			if len(rest) > 0 {
				_, _ = fmt.Fprintln(env.stderr, rest.Text())
			}
			if err := printFindings(env, found, len(rules), asJSON); err != nil {
				return err
			}
			if len(found) > 0 {
				return &exitError{code: exitFail}
			}
			return nil
		},
	}
	c.Flags().StringVar(&app, "app", "bookinfo", "a built-in app or the path of an App file")
	c.Flags().StringArrayVar(&calls, "call", nil, "FROM:TO, a workload that calls a service, where the app is not Bookinfo; may be repeated")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// lintRules gives the findings, and the other warnings. An error says that the rules are invalid.
func lintRules(app string, rules []config.File, calls []string) (found []lint.Finding, rest diag.List, err error) {
	paper, err := newPaperMesh(app, ".", rules, model.CaptureProxy)
	if err != nil {
		return nil, nil, err
	}
	graph, err := callGraph(paper, app, calls)
	if err != nil {
		return nil, nil, err
	}
	in := lint.Input{Set: paper.set, Snapshot: paper.snap, Calls: graph, Proxies: paper.proxies}
	for _, p := range paper.proxies {
		if p.Kind == model.Router {
			in.Routers = append(in.Routers, p.Workload)
		}
	}
	found, rest = lint.With(lint.Check(in), paper.problems)
	return found, rest, nil
}

// bookinfoCalls are who calls whom in the book shop.
var bookinfoCalls = []string{"productpage:details", "productpage:reviews", "reviews-v2:ratings", "reviews-v3:ratings"}

// callGraph reads FROM:TO pairs, whose names the app must have.
func callGraph(paper *paperMesh, app string, calls []string) ([]lint.Call, error) {
	if len(calls) == 0 && strings.HasPrefix(app, "bookinfo") && builtinApps[app] != "" {
		calls = bookinfoCalls
	}
	var out []lint.Call
	for _, c := range calls {
		from, to, found := strings.Cut(c, ":")
		if !found || from == "" || to == "" {
			return nil, fmt.Errorf("--call %s: FROM:TO is wanted, a workload and the service that it calls", c)
		}
		host := ""
		var names []string
		for full, s := range paper.snap.Services.All() {
			names = append(names, s.Name)
			if full == to || s.Name == to && (host == "" || s.Namespace == config.DefaultNamespace) {
				host = full
			}
		}
		if host == "" {
			return nil, fmt.Errorf("--call %s: no service is called %q; %s", c, to, config.DidYouMean(to, names))
		}
		known := false
		for _, p := range paper.proxies {
			known = known || p.Workload.Owner == from || p.Workload.Labels["app"] == from
		}
		if !known {
			return nil, fmt.Errorf("--call %s: no workload is called %q", c, from)
		}
		out = append(out, lint.Call{From: from, To: host})
	}
	return out, nil
}

func printFindings(env *environment, found []lint.Finding, files int, asJSON bool) error {
	if asJSON {
		if found == nil {
			found = []lint.Finding{}
		}
		e := json.NewEncoder(env.stdout)
		e.SetIndent("", "  ")
		return e.Encode(found)
	}
	for _, f := range found {
		text := diag.List{f.Diagnostic}.Text()
		if f.Scenario != "" {
			text += "\n    shown on a real Envoy by squall run scenarios/catalog/" + f.Scenario
		}
		if _, err := fmt.Fprintln(env.stdout, text); err != nil {
			return err
		}
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(env.stdout, "nothing found in %d files\n", files)
		return err
	}
	return nil
}

// lintPage is docs/lint.md.
func lintPage() string {
	var b strings.Builder
	b.WriteString(`# Rules that cannot do what they say

<!-- Generated from mesh/lint: go test ./cmd/squall -run TestLintPage -update -->

` + "`squall lint RULES...` finds rules that are legal and cannot do what they say, and `squall validate` prints the same as warnings." + `
A finding says where, why, with the numbers of the rule at hand, and what to do instead. What is not known is not judged: without
replicas nobody counts endpoints, and only for Bookinfo, or with --call FROM:TO, is it known who calls whom.

| code | finds | because | shown by |
|---|---|---|---|
`)
	row := func(r lint.Rule) {
		shown := ""
		if r.Scenario != "" {
			shown = "[" + r.Scenario + "](../scenarios/catalog/" + r.Scenario + ")"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Code, cell(r.Finds), cell(r.Because), shown)
	}
	for _, r := range lint.All() {
		row(r)
	}
	b.WriteString("\nThese are found when rules are read, by every command that reads them:\n\n| code | finds | because | shown by |\n|---|---|---|---|\n")
	for _, r := range lint.Read() {
		row(r)
	}
	return b.String()
}
