package grafana

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Ask evaluates an expression and says how many series have a value.
type Ask func(ctx context.Context, expr string) (series int, err error)

// Finding is what is wrong with a panel.
type Finding struct {
	Dashboard, Panel, Expr string
	// Err is why it could not be asked; nil means that there is no data.
	Err error
}

// String is one line.
func (f Finding) String() string {
	what := "no data"
	if f.Err != nil {
		what = f.Err.Error()
	}
	return fmt.Sprintf("%s: %s: %s (%s)", f.Dashboard, f.Panel, what, f.Expr)
}

// Check asks every query of every dashboard, with the values for its variables, and gives those that fail or find nothing. Panels whose needs
// are not among those that are met are left out.
func Check(ctx context.Context, ask Ask, values map[string]string, met ...string) []Finding {
	var out []Finding
	for _, d := range Dashboards() {
		for _, p := range d.Panels {
			if p.Needs != "" && !slices.Contains(met, p.Needs) {
				continue
			}
			for _, q := range p.Queries {
				expr := Fill(q.Expr, values)
				if n, err := ask(ctx, expr); err != nil || n == 0 {
					out = append(out, Finding{d.Title, p.Title, expr, err})
				}
			}
		}
	}
	return out
}

// Fill puts values in place of variables, and a minute in place of the interval.
func Fill(expr string, values map[string]string) string {
	expr = strings.ReplaceAll(expr, Interval, "1m")
	for name, value := range values {
		expr = strings.ReplaceAll(expr, "$"+name, value)
	}
	return expr
}
