package grafana

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Datasource is the UID of the data source that dashboards name.
const Datasource = "squall"

type object = map[string]any

// JSON is the dashboard as Grafana reads it (schema 39, Grafana 10 and later).
func (d Dashboard) JSON() []byte {
	source := object{"type": "prometheus", "uid": Datasource}
	variables := []object{}
	for _, v := range d.Variables {
		variables = append(variables, object{
			"name": v.Name, "label": v.Label, "type": "query", "datasource": source, "refresh": 2, "sort": 1,
			"query": object{"query": v.Query, "refId": "v"}, "definition": v.Query,
		})
	}
	panels := []object{}
	for i, p := range d.Panels {
		targets := []object{}
		for k, q := range p.Queries {
			targets = append(targets, object{"datasource": source, "expr": q.Expr, "legendFormat": q.Legend, "refId": string(rune('A' + k))})
		}
		panels = append(panels, object{
			"id": i + 1, "type": "timeseries", "title": p.Title, "datasource": source, "targets": targets,
			"gridPos":     object{"x": 12 * (i % 2), "y": 8 * (i / 2), "w": 12, "h": 8},
			"fieldConfig": object{"defaults": object{"unit": p.Unit, "min": 0}, "overrides": []any{}},
			"options":     object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi", "sort": "desc"}},
		})
	}
	return encode(object{
		"uid": d.UID, "title": d.Title, "tags": []string{"squall"}, "schemaVersion": 39, "version": 1, "editable": true, "refresh": "5s",
		"time": object{"from": "now-5m", "to": "now"}, "templating": object{"list": variables}, "panels": panels,
		"annotations": object{"list": []object{{
			"name": "Faults", "datasource": source, "enable": true, "iconColor": "red", "expr": "squall_fault == 1", "step": "1s",
			"titleFormat": "{{kind}}", "textFormat": "to {{to}}",
		}}},
	})
}

// encode never fails: what it gets is made here.
func encode(v any) []byte {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(data, '\n')
}

// dashboardsPath is where a Grafana finds the dashboards' files.
const dashboardsPath = "/var/lib/grafana/dashboards"

// Files gives all by their paths in a folder. url is where the add-ons of a mesh are; a Grafana asks Prometheus' API below it.
func Files(url string) map[string][]byte {
	out := map[string][]byte{
		"provisioning/datasources/squall.yaml": fmt.Appendf(nil, `apiVersion: 1
datasources:
  - name: squall
    uid: %s
    type: prometheus
    access: proxy
    url: %s/prometheus
    isDefault: true
    jsonData: {timeInterval: 1s, httpMethod: POST}
  - name: squall traces
    uid: %s-traces
    type: zipkin
    access: proxy
    url: %s/zipkin
`, Datasource, url, Datasource, url),
		"provisioning/dashboards/squall.yaml": []byte(`apiVersion: 1
providers:
  - name: squall
    type: file
    options: {path: ` + dashboardsPath + `}
`),
	}
	for _, d := range Dashboards() {
		out["dashboards/"+d.UID+".json"] = d.JSON()
	}
	return out
}

// Write puts the files into a folder, which is made if need be.
func Write(dir, url string) error {
	for name, data := range Files(url) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return fmt.Errorf("dashboards: %w", err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return fmt.Errorf("dashboards: %w", err)
		}
	}
	return nil
}
