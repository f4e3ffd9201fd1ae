package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/registry/static"
)

func newInitCommand(env *environment) *cobra.Command {
	var front string
	c := &cobra.Command{
		Use:   "init DIR FILE...",
		Short: "Make an App file and a first scenario from Kubernetes manifests",
		Long: `Make an App file, its manifests, rules and a first scenario in a new folder, from Kubernetes manifests: plain ones, or
what helm template or kustomize build print (- is standard input).

Deployments, Services, ServiceAccounts and rules of Istio are taken over, the rest is listed and left out. Each workload begins as
a stand-in that answers every request, so that the scenario runs at once; put your programs' commands in their place, in app.yaml.

Exit codes: 0 made, 3 the input cannot be used or a file is there already.`,
		Example: "  helm template shop ./chart | squall init resilience -\n  squall init resilience manifests/*.yaml --front web",
		Args:    cobra.MinimumNArgs(2),
		RunE:    func(_ *cobra.Command, args []string) error { return initApp(env, args[0], args[1:], front) },
	}
	c.Flags().StringVar(&front, "front", "", "service that users call; the one behind an Ingress, or the first with HTTP, without it")
	return c
}

// piece is one document of the input, as text.
type piece struct {
	text string
	kind string
	name string
	// backend is the service that an Ingress leads to.
	backend string
}

func initApp(env *environment, dir string, paths []string, front string) error {
	kept, left, err := pieces(env, paths)
	if err != nil {
		return invalid(err)
	}
	manifests := config.File{Name: filepath.Join(dir, "manifests.yaml"), Data: []byte(joined(kept))}
	docs, problems := config.Parse(manifests)
	set := config.Set{}.With(docs...)
	_, more := config.Build(set, model.Snapshot{}, nil)
	problems.Add(more...)
	if err := problems.Err(); err != nil {
		return invalid(fmt.Errorf("the manifests as they would be written:\n%w", err))
	}
	templates, services := config.Templates(set), config.Services(set, "")
	door, err := frontOf(front, left, templates, services)
	if err != nil {
		return invalid(err)
	}
	files := map[string]string{
		"manifests.yaml": string(manifests.Data), "app.yaml": appFile(filepath.Base(dir), templates, services),
		"rules.yaml": rulesFile(door), "scenario.yaml": scenarioFile(filepath.Base(dir), door),
	}
	names := []string{"app.yaml", "manifests.yaml", "rules.yaml", "scenario.yaml"}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return invalid(fmt.Errorf("%s is there already: name a new folder", filepath.Join(dir, name)))
		}
	}
	for _, name := range names {
		if err := writeFile(filepath.Join(dir, name), []byte(files[name])); err != nil {
			return invalid(err)
		}
		_, _ = fmt.Fprintln(env.stdout, filepath.Join(dir, name))
	}
	for _, p := range left {
		_, _ = fmt.Fprintf(env.stdout, "left out: %s %s\n", p.kind, p.name)
	}
	_, _ = fmt.Fprintf(env.stdout, "next: squall run %s, then put your programs' commands into %s\n", filepath.Join(dir, "scenario.yaml"), filepath.Join(dir, "app.yaml"))
	return nil
}

// documentEnd separates the documents of a file.
var documentEnd = regexp.MustCompile(`(?m)^---.*$\n?`)

// pieces reads the input and divides it into what a lab takes over and what it does not.
func pieces(env *environment, paths []string) (kept, left []piece, err error) {
	taken := map[string]bool{
		"Deployment": true, "Service": true, "ServiceAccount": true, "VirtualService": true, "DestinationRule": true, "ServiceEntry": true,
	}
	var problems []error
	for _, path := range paths {
		var data []byte
		if path == "-" {
			data, err = io.ReadAll(env.stdin)
		} else {
			data, err = os.ReadFile(path) //nolint:gosec // the user names the file
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for _, text := range documentEnd.Split(string(data), -1) {
			p, err := newPiece(text)
			switch {
			case err != nil:
				problems = append(problems, fmt.Errorf("%s: %w", path, err))
			case taken[p.kind]:
				without, gone, err := withoutReferences(p)
				problems = append(problems, err)
				kept, left = append(kept, without), append(left, gone...)
			case p.kind != "":
				left = append(left, p)
			}
		}
	}
	if len(problems) == 0 && !slices.ContainsFunc(kept, func(p piece) bool { return p.kind == "Deployment" }) {
		problems = append(problems, errors.New("there is no Deployment in "+strings.Join(paths, ", ")))
	}
	return kept, left, errors.Join(problems...)
}

func newPiece(text string) (piece, error) {
	var head struct {
		Kind     string
		Metadata struct{ Name string }
		Spec     yaml.Node
	}
	if err := yaml.Unmarshal([]byte(text), &head); err != nil {
		return piece{}, err
	}
	p := piece{text: strings.TrimSpace(text), kind: head.Kind, name: head.Metadata.Name}
	if p.kind == "Ingress" {
		var spec struct {
			Rules []struct {
				HTTP struct {
					Paths []struct {
						Backend struct{ Service struct{ Name string } }
					}
				} `yaml:"http"`
			}
		}
		if err := head.Spec.Decode(&spec); err == nil && len(spec.Rules) > 0 && len(spec.Rules[0].HTTP.Paths) > 0 {
			p.backend = spec.Rules[0].HTTP.Paths[0].Backend.Service.Name
		}
	}
	return p, nil
}

// withoutReferences takes the variables out of a Deployment's containers that come from a Secret, a ConfigMap or the pod: a lab has none.
func withoutReferences(p piece) (_ piece, gone []piece, err error) {
	if p.kind != "Deployment" {
		return p, nil, nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(p.text), &doc); err != nil {
		return p, nil, err
	}
	list := child(&doc, "spec", "template", "spec", "containers")
	if list == nil {
		return p, nil, nil
	}
	for _, c := range list.Content {
		if child(c, "envFrom") != nil {
			drop(c, "envFrom")
			gone = append(gone, piece{kind: "envFrom of", name: p.name})
		}
		env := child(c, "env")
		if env == nil {
			continue
		}
		env.Content = slices.DeleteFunc(env.Content, func(v *yaml.Node) bool {
			if child(v, "valueFrom") == nil {
				return false
			}
			gone = append(gone, piece{kind: "variable", name: child(v, "name").Value + " of " + p.name})
			return true
		})
	}
	if gone == nil {
		return p, nil, nil
	}
	text, err := yaml.Marshal(&doc)
	p.text = strings.TrimSpace(string(text))
	return p, gone, err
}

// child follows keys from a node down; nil if one is not there.
func child(n *yaml.Node, keys ...string) *yaml.Node {
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	for _, key := range keys {
		var next *yaml.Node
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				next = n.Content[i+1]
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

// drop takes a key out of a mapping.
func drop(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

func joined(list []piece) string {
	var texts []string
	for _, p := range list {
		texts = append(texts, p.text)
	}
	return strings.Join(texts, "\n---\n") + "\n"
}

// door is the way into an app: a service with a port for HTTP, and the workload behind it.
type door struct {
	service  *model.Service
	port     uint32
	workload string
}

// frontOf finds the service that users call.
func frontOf(name string, left []piece, templates []config.Template, services []*model.Service) (door, error) {
	doors := map[string]door{}
	var names []string
	for _, s := range services {
		for _, t := range templates {
			for _, in := range static.Inbound(t.Instance, []*model.Service{s}) {
				if _, known := doors[s.Name]; !known && s.Name != "" && isHTTP(in.Protocol) {
					doors[s.Name] = door{s, in.Port, t.Owner}
					names = append(names, s.Name)
				}
			}
		}
	}
	if name != "" {
		d, ok := doors[name]
		if !ok {
			return d, fmt.Errorf("--front %s: no such service with pods and a port for HTTP; there are: %s", name, cmp.Or(strings.Join(names, ", "), "none"))
		}
		return d, nil
	}
	for _, p := range left {
		if d, ok := doors[p.backend]; ok {
			return d, nil
		}
	}
	if len(names) == 0 {
		return door{}, errors.New("no service has both pods and a port for HTTP (a port's name or appProtocol says what it carries): nothing could be called")
	}
	return doors[names[0]], nil
}

func isHTTP(p model.Protocol) bool { return p == model.HTTP || p == model.HTTP2 }

// standIn is the command of a backend that listens where a workload would. It has four ports; a second one of a kind is listened at by one that
// speaks something else, so that the workload gets ready.
func standIn(t config.Template, services []*model.Service) string {
	names, ports := []string{"http", "http2", "grpc", "tcp"}, map[string]uint32{}
	for _, in := range static.Inbound(t.Instance, services) {
		name := map[model.Protocol]string{model.HTTP: "http", model.HTTP2: "http2", model.GRPC: "grpc"}[in.Protocol]
		if name == "" {
			name = "tcp"
		}
		for _, free := range append([]string{name}, names...) {
			if _, taken := ports[free]; !taken {
				ports[free] = in.App.Port
				break
			}
		}
	}
	listen := "{{.Address}}"
	for _, name := range names {
		// A port that nobody calls is any that is free, so that it is in nobody's way.
		listen += fmt.Sprintf(",%s=%d", name, ports[name])
	}
	return fmt.Sprintf(`["{{.Squall}}", bookinfo, backend, --listen, "%s", --control, "{{.ControlSocket}}"]`, listen)
}

func appFile(name string, templates []config.Template, services []*model.Service) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# The services and how to start them on this machine. Each command is a stand-in that answers every request: put your own program in its
# place. {{.Address}} and {{.Port}} are where it has to listen; variables of the container's env are set.
apiVersion: squall.dev/v1alpha1
kind: App
metadata: {name: %s}
spec:
  manifests: [manifests.yaml]
  run:
`, appNameFrom(name))
	for _, t := range templates {
		fmt.Fprintf(&b, "    %s: {command: %s}\n", t.Owner, standIn(t, services))
	}
	return b.String()
}

// notInNames is what a name of an App or a scenario may not hold.
var notInNames = regexp.MustCompile(`[^a-z0-9-]+`)

func appNameFrom(dir string) string {
	return cmp.Or(strings.Trim(notInNames.ReplaceAllString(strings.ToLower(dir), "-"), "-"), "app")
}

func rulesFile(d door) string {
	return fmt.Sprintf(`# The way in, and how calls to %[1]s are treated: Istio's rules as you have them in a cluster.
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: %[2]s}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 8080, name: http, protocol: HTTP}
      hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: front, namespace: %[2]s}
spec:
  hosts: ["*"]
  gateways: [front]
  http:
    - route: [{destination: {host: %[1]s, port: {number: %[3]d}}}]
      timeout: 2s
`, d.service.Name, d.service.Namespace, d.port)
}

func scenarioFile(name string, d door) string {
	return fmt.Sprintf(`# A first experiment: what do users see while the processes of %[2]s are dead, and is all well when they are back?
apiVersion: squall.dev/v1alpha1
kind: Scenario
metadata: {name: %[1]s}
spec:
  title: While %[2]s is dead users get errors at once, and all is well when it is back
  app: app.yaml
  config: [rules.yaml]
  load:
    - {name: users, rate: 20/s, duration: 6s, request: {path: /}}
  timeline:
    - {at: 2s, for: 2s, name: dead, fault: {kill: {workload: %[2]s, target: app}}}
  checks:
    - {name: all is well before, phase: before, load: users, success: "100%%"}
    - {name: an error comes at once, phase: dead, load: users, status: {503: "> 0"}, max: "< 2s"}
    - {name: all is well when it is back, recovery: {load: users, within: 1s, success: "100%%"}}
`, appNameFrom(name), d.workload)
}
