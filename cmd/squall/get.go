package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/mesh/envoy"
)

func newGetCommand(env *environment) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "get proxies | get routes|clusters|config WORKLOAD",
		Short: "Show the proxies of a mesh that is up, or what one of them really has",
		Long: `Show the proxies and how new their configuration is, or what one proxy's Envoy itself says of its routes,
clusters or whole configuration.`,
		Example:   "  squall get proxies\n  squall get routes productpage-v1\n  squall get config reviews-v2",
		Args:      cobra.RangeArgs(1, 2),
		ValidArgs: []string{"proxies", "routes", "clusters", "config"},
		RunE: func(c *cobra.Command, args []string) error {
			s, err := loadState(env, name)
			if err != nil {
				return broken(err)
			}
			if args[0] == "proxies" {
				list, err := s.client().Status(c.Context())
				if err != nil {
					return broken(err)
				}
				w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
				_, _ = fmt.Fprintln(w, "PROXY\tCONNECTED\tVERSION\tLIVE")
				for _, p := range list {
					_, _ = fmt.Fprintf(w, "%s\t%t\t%d\t%t\n", p.Proxy, p.Connected, p.Target, p.Live == p.Target)
				}
				return w.Flush()
			}
			if len(args) != 2 {
				return invalid(fmt.Errorf("which workload? say squall get %s WORKLOAD", args[0]))
			}
			p, err := s.proxy(args[1])
			if err != nil {
				return invalid(err)
			}
			return getFromProxy(c, env, args[0], envoy.NewAdmin(p.Admin))
		},
	}
	nameFlag(c, &name)
	return c
}

func getFromProxy(c *cobra.Command, env *environment, what string, admin *envoy.Admin) error {
	switch what {
	case "config":
		_, raw, err := admin.ConfigDump(c.Context(), envoy.ConfigDumpOptions{Endpoints: true})
		if err != nil {
			return broken(err)
		}
		_, err = fmt.Fprintln(env.stdout, string(raw))
		return err
	case "clusters":
		list, err := admin.Clusters(c.Context())
		if err != nil {
			return broken(err)
		}
		w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, "CLUSTER\tENDPOINT\tHEALTH")
		for _, cl := range list.GetClusterStatuses() {
			for _, h := range cl.GetHostStatuses() {
				a := h.GetAddress().GetSocketAddress()
				health := "healthy"
				if h.GetHealthStatus().GetFailedOutlierCheck() {
					health = "ejected"
				}
				_, _ = fmt.Fprintf(w, "%s\t%s:%d\t%s\n", cl.GetName(), a.GetAddress(), a.GetPortValue(), health)
			}
		}
		return w.Flush()
	case "routes":
		dump, _, err := admin.ConfigDump(c.Context(), envoy.ConfigDumpOptions{})
		if err != nil {
			return broken(err)
		}
		return printRoutes(env, dump)
	}
	return invalid(fmt.Errorf("%q cannot be shown: proxies, routes, clusters and config can", what))
}

func printRoutes(env *environment, dump *adminv3.ConfigDump) error {
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TABLE\tHOST\tMATCH\tTO")
	for _, section := range dump.GetConfigs() {
		var routes adminv3.RoutesConfigDump
		if section.UnmarshalTo(&routes) != nil {
			continue
		}
		for _, d := range routes.GetDynamicRouteConfigs() {
			var rc routev3.RouteConfiguration
			if err := d.GetRouteConfig().UnmarshalTo(&rc); err != nil {
				return fmt.Errorf("route table: %w", err)
			}
			for _, vh := range rc.GetVirtualHosts() {
				for _, r := range vh.GetRoutes() {
					_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", rc.GetName(), vh.GetName(), matchText(r.GetMatch()), targetText(r))
				}
			}
		}
	}
	return w.Flush()
}

func matchText(m *routev3.RouteMatch) string {
	var out []string
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		out = append(out, p.Prefix+"*")
	case *routev3.RouteMatch_Path:
		out = append(out, p.Path)
	case *routev3.RouteMatch_SafeRegex:
		out = append(out, "~"+p.SafeRegex.GetRegex())
	}
	for _, h := range m.GetHeaders() {
		value := h.GetStringMatch().GetExact()
		if value == "" {
			value = "..."
		}
		out = append(out, h.GetName()+"="+value)
	}
	return strings.Join(out, " ")
}

func targetText(r *routev3.Route) string {
	if d := r.GetDirectResponse(); d != nil {
		return fmt.Sprintf("answer %d", d.GetStatus())
	}
	if r.GetRedirect() != nil {
		return "redirect"
	}
	if c := r.GetRoute().GetCluster(); c != "" {
		return c
	}
	var out []string
	for _, c := range r.GetRoute().GetWeightedClusters().GetClusters() {
		out = append(out, fmt.Sprintf("%s %d", c.GetName(), c.GetWeight().GetValue()))
	}
	return strings.Join(out, ", ")
}
