package config

import (
	"encoding/json"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"
	meshapi "istio.io/api/mesh/v1alpha1"

	"github.com/squallmesh/squall/mesh/model"
)

// fileLog reads a log of a proxy's own. Others than its standard output would be files of the machine.
func (p *providerReader) fileLog(out *model.Mesh, name string, in *meshapi.MeshConfig_ExtensionProvider_EnvoyFileAccessLogProvider) {
	const field = "envoyFileAccessLog."
	log := &model.AccessLogProvider{Name: name, Path: in.Path, OmitEmpty: in.OmitEmptyValues, Pos: p.r.pos(p.path)}
	if log.Path == "" {
		log.Path = model.Stdout
	}
	p.r.logPath(log.Path, p.path, p.at+"."+field+"path")
	if f := in.GetLogFormat(); f.GetLabels() != nil {
		log.JSON = true
		for _, name := range slices.Sorted(maps.Keys(f.GetLabels().GetFields())) {
			value, ok := f.GetLabels().GetFields()[name].AsInterface().(string)
			if !ok {
				p.errorf("WRONG-TYPE", field+"logFormat.labels."+name, "a label is a text here")
				continue
			}
			log.Fields = append(log.Fields, model.LogField{Name: name, Format: value})
			p.format(value, field+"logFormat.labels."+name)
		}
	} else {
		log.Text = f.GetText()
		p.format(log.Text, field+"logFormat.text")
	}
	out.Logs = append(out.Logs, log)
}

func (p *providerReader) format(text, field string) {
	if hint, err := checkFormat(text); err != nil {
		p.errorf("BAD-FORMAT", field, "%v", err)
		p.r.hint("%s", hint)
	}
}

func (r reporter) logPath(file, path, what string) {
	if file != model.Stdout && file != "" {
		r.errorf("UNSUPPORTED-VALUE", path, "%s: logs go to %s, not to the file %s", what, model.Stdout, shorten(file))
		r.hint("squall logs WORKLOAD shows them")
	}
}

// accessLogSetting reads one of the mesh's settings about the log that Istio has without any provider.
func (r reporter) accessLogSetting(name string, node *yaml.Node, path string, out *model.Mesh) {
	var text string
	if err := node.Decode(&text); err != nil || node.Kind != yaml.ScalarNode {
		r.errorf("WRONG-TYPE", path, "%s is a text", name)
		return
	}
	switch name {
	case "accessLogFile":
		r.logPath(text, path, name)
		out.BuiltinLog.Path = text
	case "accessLogFormat":
		out.BuiltinLog.Text = text
	case "accessLogEncoding":
		switch text {
		case "TEXT", "":
		case "JSON":
			out.BuiltinLog.JSON = true
		default:
			r.errorf("BAD-ENUM", path, "accessLogEncoding has no value %q", shorten(text))
			r.hint("one of TEXT, JSON")
		}
	}
}

// accessLogBuiltin puts that log's settings together, once all are read.
func (r reporter) accessLogBuiltin(path string, out *model.Mesh) {
	log := &out.BuiltinLog
	if !log.JSON || log.Text == "" {
		if hint, err := checkFormat(log.Text); err != nil {
			r.errorf("BAD-FORMAT", path, "accessLogFormat: %v", err)
			r.hint("%s", hint)
		}
		return
	}
	fields := map[string]string{}
	if err := json.Unmarshal([]byte(log.Text), &fields); err != nil {
		r.errorf("BAD-FORMAT", path, "accessLogFormat: with accessLogEncoding: JSON it is an object of texts: %v", err)
		r.hint(`accessLogFormat: '{"status": "%%RESPONSE_CODE%%"}'`)
		return
	}
	log.Text, log.Fields = "", nil
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		log.Fields = append(log.Fields, model.LogField{Name: name, Format: fields[name]})
		if hint, err := checkFormat(fields[name]); err != nil {
			r.errorf("BAD-FORMAT", path, "accessLogFormat: %s: %v", name, err)
			r.hint("%s", hint)
		}
	}
}
