package topology

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/mesh/sim/dist"
)

// ownKind finds the kind of a file of squall's own.
var ownKind = regexp.MustCompile(`(?m)^["']?kind["']?:\s*["']?` + Kind + `\b`)

var anyServices = regexp.MustCompile(`(?m)^services:`)

func isIsotope(f config.File) bool { return !ownKind.Match(f.Data) && anyServices.Match(f.Data) }

// isotope is a file of isotope's, of Istio's tools: services with scripts of sleeps and calls.
type isotope struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Default    isotopeService   `json:"default"`
	Defaults   isotopeService   `json:"defaults"`
	Services   []isotopeService `json:"services"`
}

type isotopeService struct {
	Name         string          `json:"name"`
	Type         string          `json:"type"`
	Replicas     int             `json:"numReplicas"`
	Entrypoint   bool            `json:"isEntrypoint"`
	ErrorRate    json.RawMessage `json:"errorRate"`
	RequestSize  any             `json:"requestSize"`
	ResponseSize any             `json:"responseSize"`
	Policies     int             `json:"numRbacPolicies"`
	Script       []isotopeStep   `json:"script"`
}

// isotopeStep is one command, or several that are made at the same time.
type isotopeStep struct {
	sleep      time.Duration
	call       string
	concurrent int
}

// UnmarshalJSON reads sleep: 10ms, call: a, call: {service: a, size: 1KB}, or a list of those.
func (s *isotopeStep) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		var list []isotopeStep
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
		if s.concurrent = len(list); len(list) == 1 {
			*s = list[0]
		}
		return nil
	}
	var in struct {
		Sleep *dist.Duration  `json:"sleep"`
		Call  json.RawMessage `json:"call"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return err
	}
	switch {
	case (in.Sleep == nil) == (in.Call == nil):
		return errors.New("a step sleeps or calls")
	case in.Sleep != nil:
		s.sleep = time.Duration(*in.Sleep)
		return nil
	}
	if json.Unmarshal(in.Call, &s.call) == nil {
		return nil
	}
	var to struct {
		Service     string `json:"service"`
		Size        any    `json:"size"`
		PayloadSize any    `json:"payloadSize"`
	}
	d = json.NewDecoder(bytes.NewReader(in.Call))
	d.DisallowUnknownFields()
	err := d.Decode(&to)
	s.call = to.Service
	return err
}

// parseIsotope reads a file of isotope's. Sleeps of a script are made together, before its first call; sizes and policies take no time in the
// model. What would be another graph is refused.
func parseIsotope(f config.File) (*File, diag.List) {
	var in isotope
	doc, problems := config.Decode(f, "isotope", &in)
	if doc == nil || problems.HasErrors() {
		return nil, problems
	}
	r := &reader{doc: doc, problems: &problems}
	usual := in.Default
	if usual.Script == nil && usual.Type == "" && usual.ErrorRate == nil && usual.Replicas == 0 {
		usual = in.Defaults
	}
	var graph []GraphService
	for i, s := range in.Services {
		path := fmt.Sprintf("services[%d]", i)
		if s.Type == "" {
			s.Type = usual.Type
		}
		if s.ErrorRate == nil {
			s.ErrorRate = usual.ErrorRate
		}
		if s.Replicas == 0 {
			s.Replicas = usual.Replicas
		}
		if s.Script == nil {
			s.Script = usual.Script
		}
		if s.Type != "" && s.Type != "http" {
			r.errorf("NOT-SIMULATED", path, "the service %s speaks %s, which is not simulated in graphs", s.Name, s.Type)
			problems.Hint("write type: http")
		}
		if rate := strings.Trim(string(s.ErrorRate), `"0.%`); s.ErrorRate != nil && rate != "" {
			r.errorf("NOT-SIMULATED", path, "the errorRate of the service %s is not simulated", s.Name)
			problems.Hint("leave it out, or run a scenario with an abort")
		}
		one := GraphService{Name: s.Name, Replicas: s.Replicas}
		work := dist.Duration(0)
		for n, step := range s.Script {
			switch {
			case step.concurrent > 1:
				r.errorf("NOT-SIMULATED", fmt.Sprintf("%s.script[%d]", path, n), "%d commands of %s at the same time are not simulated", step.concurrent, s.Name)
				problems.Hint("write them one after the other")
			case step.call != "":
				one.Calls = append(one.Calls, step.call)
			default:
				work += dist.Duration(step.sleep)
			}
		}
		one.Work.Constant = &work
		graph = append(graph, one)
	}
	out := &File{Name: f.Name, Times: sim.DefaultTimes(), Work: map[string]dist.Distribution{}}
	if !problems.HasErrors() {
		out.Graph.Services = r.graph(graph)
	}
	return out, problems
}
