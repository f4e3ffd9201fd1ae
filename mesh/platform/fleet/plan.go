package fleet

import (
	"maps"
	"strings"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/registry/static"
)

// systemNamespace holds what is the mesh's own.
const systemNamespace = "istio-system"

// plan says which pods there shall be, and what runs in them.
func (l *Lab) plan() error {
	if l.spec.App != nil {
		l.manifests = l.spec.App.Manifests
	}
	docs, problems := config.Parse(l.manifests...)
	if err := problems.Err(); err != nil {
		return err
	}
	set := config.Set{}.With(docs...)
	settings := model.DefaultMesh()
	settings.Capture = model.CaptureRedirect
	snap, problems := config.Build(set, model.Snapshot{Mesh: settings}, nil)
	if err := problems.Err(); err != nil {
		return err
	}
	for _, s := range snap.Services.All() {
		l.services = append(l.services, s)
	}
	l.control = &member{pod: ControlPod()}
	l.control.Name = l.control.pod.Name
	gateway := &member{Instance: platform.Instance{Workload: mesh.Workload{Kind: model.Router, Workload: model.Workload{
		Name: platform.GatewayName, Owner: platform.GatewayName, Namespace: systemNamespace, ServiceAccount: platform.GatewayName,
		Labels: map[string]string{"istio": "ingressgateway", "app": platform.GatewayName},
	}}}}
	gateway.pod = podOf(&gateway.Workload.Workload, Gateway)
	l.members = append(l.members, gateway)
	if l.taken != nil {
		for _, t := range config.Templates(set) {
			if t.Replicas > 0 {
				l.taken.wanted = append(l.taken.wanted, t.Namespace+"/"+t.Owner)
			}
		}
		l.manifests, l.services = nil, nil
		return nil
	}
	l.templates = map[string]config.Template{}
	for _, t := range config.Templates(set) {
		l.templates[t.Owner] = t
	}
	problems = nil
	for _, inst := range config.Instances(set) {
		if inst.CertificateTTL > 0 {
			problems.Errorf("UNSUPPORTED-FIELD", inst.Pos, "%s: the lifetime of certificates (SECRET_TTL) cannot be set on this platform yet", inst.Owner)
			problems.Hint("use --platform loopback or pods")
		}
		if m := l.member(inst, &problems); m != nil {
			l.members = append(l.members, m)
		}
	}
	if len(problems) == 0 {
		l.planSpares(&problems)
	}
	return problems.Err()
}

// ControlPod is the control plane's.
func ControlPod() Pod {
	const name = "squall-mesh"
	return Pod{Name: name, Namespace: systemNamespace, Kind: ControlPlane, Labels: map[string]string{"app": name}}
}

func podOf(w *model.Workload, kind string) Pod {
	return Pod{Name: w.Name, Namespace: w.Namespace, Owner: w.Owner, ServiceAccount: w.ServiceAccount, Labels: maps.Clone(w.Labels), Kind: kind}
}

// member gives an instance its pod and its command; nil if that is not possible.
func (l *Lab) member(inst config.Instance, problems *diag.List) *member {
	w := model.Workload{
		Name: inst.Name, Owner: inst.Owner, Namespace: inst.Namespace, ServiceAccount: inst.ServiceAccount,
		Labels: inst.Labels, Locality: inst.Locality, Pos: inst.Pos, Inbound: static.Inbound(inst, l.services),
	}
	m := &member{Instance: platform.Instance{Workload: mesh.Workload{Kind: model.Sidecar, Workload: w}}, pod: podOf(&w, Workload)}
	m.env = map[string]string{"HOSTNAME": inst.Name, "POD_NAME": inst.Name, "POD_NAMESPACE": inst.Namespace, "WORKLOAD_NAME": inst.Owner}
	maps.Copy(m.env, inst.Env)
	run, ok := l.spec.App.Run[inst.Owner]
	if !ok {
		problems.Errorf("NO-COMMAND", inst.Pos, "the app does not say how %s runs as a process", inst.Owner)
		problems.Hint("add spec.run.%s.command to %s", inst.Owner, l.spec.App.Pos.File)
		return nil
	}
	if !strings.Contains(run.Command[0], "{{.Squall}}") {
		problems.Errorf("NEEDS-OWN-IMAGE", run.Pos, "%s runs a program of this machine (%s), which no container on %s has", inst.Owner, run.Command[0], l.host.Info().Form)
		problems.Hint("use --platform pods or loopback")
		return nil
	}
	m.run = run
	if err := l.expand(m); err != nil {
		problems.Add(diag.From(err)...)
		return nil
	}
	return m
}

// expand gives a member its command and the variables of the App file, with the pod's address once it has one.
func (l *Lab) expand(m *member) error {
	v := platform.Values{Squall: Squall, Address: m.Address, ControlSocket: controlSocket, Reach: func(service string, port uint32) (string, error) {
		return platform.ServiceAddress(l.services, service, port)
	}}
	if len(m.Inbound) > 0 {
		v.Port = m.Inbound[0].App.Port
	}
	var problems diag.List
	var err error
	if m.Command, err = platform.Expand(m.run.Command, v); err != nil {
		problems.Errorf("BAD-COMMAND", m.run.Pos, "command of %s: %v", m.Owner, err)
	}
	for k, text := range m.run.Env {
		words, err := platform.Expand([]string{text}, v)
		if err != nil {
			problems.Errorf("BAD-COMMAND", m.run.Pos, "variable %s of %s: %v", k, m.Owner, err)
			continue
		}
		m.env[k] = words[0]
	}
	return problems.Err()
}
