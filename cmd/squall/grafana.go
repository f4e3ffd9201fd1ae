package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/telemetry/grafana"
)

func newGrafanaCommand(env *environment) *cobra.Command {
	var name, address string
	var check bool
	var set map[string]string
	var met []string
	c := &cobra.Command{
		Use:   "grafana DIR | grafana --check",
		Short: "Write dashboards for Grafana, or ask each of their queries of a mesh that is up",
		Long: `Write dashboards (mesh, service, workload, control plane, scenario with its faults as annotations) and the files by which a Grafana
finds them and the add-ons of a mesh that is up. Mount DIR/provisioning at /etc/grafana/provisioning and DIR/dashboards at
/var/lib/grafana/dashboards.

With --check, ask every query of every panel of the mesh, and say which finds nothing.`,
		Example: "  squall grafana out/grafana\n  squall grafana out/grafana --url http://192.0.2.1:8080\n  squall grafana --check --set service=reviews --set workload=reviews-v1",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if check == (len(args) == 1) {
				return invalid(errors.New("name the folder that takes the files, or say --check"))
			}
			if address == "" {
				s, err := loadState(env, name)
				if err != nil {
					return broken(fmt.Errorf("%w; or say --url where the add-ons are", err))
				}
				address = "http://" + s.Addons
			}
			address = strings.TrimSuffix(address, "/")
			if check {
				return checkDashboards(c.Context(), env, address, set, met)
			}
			if err := grafana.Write(args[0], address); err != nil {
				return broken(err)
			}
			for _, file := range slices.Sorted(maps.Keys(grafana.Files(address))) {
				_, _ = fmt.Fprintf(env.stdout, "%s/%s\n", args[0], file)
			}
			return nil
		},
	}
	nameFlag(c, &name)
	c.Flags().StringVar(&address, "url", "", "where the add-ons are; those of the mesh of that name, if unset")
	c.Flags().BoolVar(&check, "check", false, "ask every query in place of writing files")
	c.Flags().StringToStringVar(&set, "set", nil, "NAME=VALUE of a dashboard's variable: service, workload")
	c.Flags().StringSliceVar(&met, "with", nil, "what there has been besides requests: tcp, calls, fault")
	return c
}

// checkDashboards fails if a panel has no data.
func checkDashboards(ctx context.Context, env *environment, address string, values map[string]string, met []string) error {
	client := &http.Client{Timeout: 10 * time.Second}
	found := grafana.Check(ctx, func(ctx context.Context, expr string) (int, error) { return askPrometheus(ctx, client, address, expr) }, values, met...)
	for _, f := range found {
		_, _ = fmt.Fprintln(env.stdout, f)
	}
	if len(found) > 0 {
		return &exitError{exitFail, fmt.Errorf("%d queries of the dashboards find no data", len(found))}
	}
	return nil
}

// askPrometheus says how many series an expression gives now.
func askPrometheus(ctx context.Context, client *http.Client, address, expr string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/prometheus/api/v1/query?"+url.Values{"query": {expr}}.Encode(), nil)
	if err != nil {
		return 0, fmt.Errorf("ask the add-ons: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask the add-ons: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("the add-ons answered %s: %w", resp.Status, err)
	}
	if answer.Error != "" {
		return 0, errors.New(answer.Error)
	}
	return len(answer.Data.Result), nil
}
