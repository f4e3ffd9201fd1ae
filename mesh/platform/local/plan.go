package local

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/registry/static"
)

// plan gives every workload its addresses and its command.
func (l *Lab) plan(docs config.Set) error {
	settings := model.DefaultMesh()
	settings.Capture = l.net.capture()
	snap, problems := config.Build(docs, model.Snapshot{Mesh: settings}, nil)
	if err := problems.Err(); err != nil {
		return err
	}
	problems = nil
	var services []*model.Service
	for _, s := range snap.Services.All() {
		services = append(services, s)
	}
	gateway := &Instance{Instance: platform.Instance{Workload: mesh.Workload{Kind: model.Router, Workload: model.Workload{
		Name: platform.GatewayName, Owner: platform.GatewayName, Namespace: "istio-system", ServiceAccount: platform.GatewayName,
		Labels: map[string]string{"istio": "ingressgateway", "app": platform.GatewayName},
	}}}}
	l.net.place(0, &gateway.Workload.Workload, services)
	gateway.ProxyPort, gateway.Outbound = 0, nil
	l.instances = append(l.instances, gateway)
	l.services, l.templates = services, map[string]config.Template{}
	for _, t := range config.Templates(docs) {
		l.templates[t.Owner] = t
	}
	for _, inst := range config.Instances(docs) {
		if len(l.instances) >= l.net.room() {
			problems.Errorf("TOO-MANY-WORKLOADS", inst.Pos, "a lab (%s) has room for %d workloads", l.net.form(), l.net.room()-1)
			break
		}
		if i := l.place(inst, &problems); i != nil {
			l.instances = append(l.instances, i)
		}
	}
	for _, i := range l.instances {
		if err := l.makeDir(i); err != nil {
			return err
		}
	}
	return problems.Err()
}

func (l *Lab) makeDir(i *Instance) error {
	i.dir = filepath.Join(l.opts.Dir, i.Name)
	if err := os.MkdirAll(i.dir, 0o700); err != nil {
		return fmt.Errorf("folder of %s: %w", i.Name, err)
	}
	i.AdminAddress = "unix://" + filepath.Join(i.dir, "admin.sock")
	return nil
}

// place gives an instance the next addresses, and its command; nil if that is not possible.
func (l *Lab) place(inst config.Instance, problems *diag.List) *Instance {
	i := l.instance(len(l.instances), inst, l.services)
	if inst.Gateway {
		return i
	}
	run, ok := l.opts.App.Run[inst.Owner]
	if !ok {
		problems.Errorf("NO-COMMAND", inst.Pos, "the app does not say how %s runs as a process", inst.Owner)
		problems.Hint("add spec.run.%s.command to %s", inst.Owner, l.opts.App.Pos.File)
		return nil
	}
	command, err := l.expand(i, run.Command)
	if err != nil {
		problems.Errorf("BAD-COMMAND", run.Pos, "command of %s: %v", inst.Owner, err)
		return nil
	}
	i.Command = command
	for k, v := range run.Env {
		words, err := l.expand(i, []string{v})
		if err != nil {
			problems.Errorf("BAD-COMMAND", run.Pos, "variable %s of %s: %v", k, inst.Owner, err)
			continue
		}
		i.env[k] = words[0]
	}
	i.workDir = filepath.Join(l.opts.AppDir, run.Dir)
	return i
}

func (l *Lab) instance(k int, inst config.Instance, services []*model.Service) *Instance {
	w := model.Workload{
		Name: inst.Name, Owner: inst.Owner, Namespace: inst.Namespace, ServiceAccount: inst.ServiceAccount,
		Labels: inst.Labels, Locality: inst.Locality, Pos: inst.Pos,
		Inbound: static.Inbound(inst, services), Gateway: inst.Gateway,
	}
	kind := model.Sidecar
	if inst.Gateway {
		kind = model.Router
	}
	l.net.place(k, &w, services)
	if inst.Gateway {
		w.ProxyPort, w.Outbound = 0, nil
	}
	env := map[string]string{
		"HOSTNAME": inst.Name, "POD_NAME": inst.Name, "POD_NAMESPACE": inst.Namespace, "WORKLOAD_NAME": inst.Owner,
	}
	maps.Copy(env, l.net.variables(&w))
	maps.Copy(env, inst.Env)
	return &Instance{
		Instance: platform.Instance{
			Workload:      mesh.Workload{Kind: kind, Workload: w},
			ControlSocket: filepath.Join(l.opts.Dir, inst.Name, "control.sock"),
		},
		env: env, ttl: inst.CertificateTTL,
	}
}

func (l *Lab) expand(i *Instance, command []string) ([]string, error) {
	v := platform.Values{
		Squall: l.opts.Squall, Address: l.net.appAddress(&i.Workload.Workload), ControlSocket: i.ControlSocket,
		Reach: func(service string, port uint32) (string, error) {
			if len(i.Outbound) > 0 { // the sidecar's listener
				return reachByProxy(&i.Workload.Workload, service, port, false)
			}
			return platform.ServiceAddress(l.services, service, port)
		},
	}
	if len(i.Inbound) > 0 {
		v.Address, v.Port = i.Inbound[0].App.Address, i.Inbound[0].App.Port
	}
	return platform.Expand(command, v)
}

func joinLines(lines []string) string { return strings.Join(lines, "\n    ") }
