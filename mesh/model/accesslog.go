package model

import (
	"slices"

	"github.com/squallmesh/squall/mesh/diag"
)

// AccessLogProvider is a log for people, which a proxy writes for itself.
type AccessLogProvider struct {
	Name string
	// Path of the file: /dev/stdout is the proxy's own log.
	Path string
	// Text is a line with Envoy's command operators; empty is Istio's own.
	Text string
	// JSON writes an object: of Fields, by name in order, or of Istio's own without any.
	JSON   bool
	Fields []LogField
	// OmitEmpty leaves out what has no value, in place of "-".
	OmitEmpty bool
	Pos       diag.Pos
}

// LogField is a field of an object that is logged.
type LogField struct{ Name, Format string }

// BuiltinAccessLog is the log that Istio has without any setting, by the name that rules know it by.
const BuiltinAccessLog = "envoy"

// Stdout is the path of a proxy's own log.
const Stdout = "/dev/stdout"

// AccessLog is a log that one side of a proxy writes.
type AccessLog struct {
	*AccessLogProvider
	// Filter as in AccessLogRule.
	Filter string
}

// Log finds a log by its name, or gives nil.
func (m *Mesh) Log(name string) *AccessLogProvider {
	for _, p := range m.Logs {
		if p.Name == name {
			return p
		}
	}
	if name == BuiltinAccessLog {
		log := m.BuiltinLog
		log.Name = name
		if log.Path == "" {
			log.Path = Stdout
		}
		return &log
	}
	return nil
}

// AccessLogs puts rules together, the widest first: the logs of one side of a proxy, by name. Where no rule speaks of logs, those of the
// mesh's settings hold. Source: Istio's mergeLogs.
func (m *Mesh) AccessLogs(rules []*Telemetry, side Side) []AccessLog {
	rules = slices.DeleteFunc(slices.Clone(rules), func(t *Telemetry) bool { return len(t.AccessLogging) == 0 })
	on, filters := map[string]bool{}, map[string]string{}
	defaults := m.DefaultLogs
	if len(rules) == 0 && len(defaults) == 0 && m.BuiltinLog.Path != "" { // accessLogFile
		defaults = []string{BuiltinAccessLog}
	}
	if len(rules) == 0 {
		for _, name := range defaults {
			on[name] = true
		}
	}
	// What a narrower rule names stands in place of what a wider one did.
	scope := defaults
	for _, t := range rules {
		var names []string
		for _, r := range t.AccessLogging {
			names = append(names, r.Providers...)
			for _, name := range r.Providers {
				filters[name] = r.Filter
			}
		}
		if len(names) > 0 {
			scope = names
		}
	}
	parents := defaults
	for _, t := range rules {
		for _, r := range t.AccessLogging {
			if len(r.Providers) > 0 {
				parents = r.Providers
			}
			for _, name := range parents {
				if slices.Contains(scope, name) && side.on(r.Side) {
					on[name] = !r.Disabled
				}
			}
		}
	}
	var out []AccessLog
	for name, logs := range on { // sorted below
		if p := m.Log(name); logs && p != nil {
			out = append(out, AccessLog{p, filters[name]})
		}
	}
	slices.SortFunc(out, func(a, b AccessLog) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return out
}
