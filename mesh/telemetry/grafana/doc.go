// Package grafana has dashboards for what a mesh reports, as files that a Grafana takes for its provisioning: folders provisioning and
// dashboards, to be mounted at /etc/grafana/provisioning and /var/lib/grafana/dashboards.
package grafana
