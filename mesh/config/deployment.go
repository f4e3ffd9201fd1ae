package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/registry/static"
)

// Instance is one running copy of a Deployment's pod that ought to be.
type Instance = static.Instance

// localityLabel tells a pod's locality, as Istio has it.
const localityLabel = "istio-locality"

// templatesAnnotation says by which of Istio's templates a pod is completed: gateway makes it a gateway's proxy.
const (
	templatesAnnotation = "inject.istio.io/templates"
	gatewayTemplate     = "gateway"
)

// Template is a Deployment: what its instances are like, without a name of their own, and how many ought to run.
type Template struct {
	Instance
	Replicas int
}

// Templates gives one template for each Deployment, by namespace and name.
func Templates(s Set) []Template {
	var out []Template
	for _, doc := range s.ofKind(kindDeployment) {
		in := doc.object.(*apps.Deployment)
		replicas := 1
		if in.Spec.Replicas != nil {
			replicas = int(*in.Spec.Replicas)
		}
		pod := in.Spec.Template
		account := pod.Spec.ServiceAccountName
		if account == "" {
			account = pod.Spec.DeprecatedServiceAccount
		}
		if account == "" {
			account = "default"
		}
		inst := Instance{
			Owner: doc.Name, Namespace: doc.Namespace, ServiceAccount: account, Labels: copyLabels(pod.Labels),
			Locality: model.ParseLocality(pod.Labels[localityLabel]), Pos: doc.Pos,
			Gateway: pod.Annotations[templatesAnnotation] == gatewayTemplate,
		}
		inst.CertificateTTL, _ = certificateTTL(pod.Annotations[proxyAnnotation]) // deployment reports what is wrong with it
		for _, c := range pod.Spec.Containers {
			for _, p := range c.Ports {
				inst.ContainerPorts = append(inst.ContainerPorts, static.ContainerPort{Name: p.Name, Number: uint32(max(0, p.ContainerPort))})
			}
			for _, e := range c.Env {
				if e.ValueFrom != nil {
					continue
				}
				if inst.Env == nil {
					inst.Env = map[string]string{}
				}
				inst.Env[e.Name] = e.Value
			}
		}
		out = append(out, Template{inst, min(max(0, replicas), maxReplicas)})
	}
	slices.SortStableFunc(out, func(a, b Template) int {
		return strings.Compare(a.Namespace+"/"+a.Owner, b.Namespace+"/"+b.Owner)
	})
	return out
}

// Instances gives one instance for each replica of each Deployment, by namespace and name.
func Instances(s Set) []Instance {
	var out []Instance
	for _, t := range Templates(s) {
		for i := range t.Replicas {
			out = append(out, t.Named(i))
		}
	}
	return out
}

// Named gives the instance with a number, which shares nothing with the template.
func (t Template) Named(i int) Instance {
	one := t.Instance
	one.Name = t.Owner + "-" + strconv.Itoa(i)
	one.Labels, one.Env = maps.Clone(t.Labels), maps.Clone(t.Env)
	one.ContainerPorts = slices.Clone(t.ContainerPorts)
	return one
}

// maxReplicas bounds one Deployment, whose replicas are processes of one machine.
const maxReplicas = 1000

// deployment checks what Instances reads.
func (b *build) deployment(doc *Document) {
	in := doc.object.(*apps.Deployment)
	r := b.reporter(doc)
	if n := in.Spec.Replicas; n != nil && (*n < 0 || *n > maxReplicas) {
		r.errorf("OUT-OF-RANGE", "spec.replicas", "replicas lie between 0 and %d, not at %d", maxReplicas, *n)
	}
	b.selector(r, in)
	if t, ok := in.Spec.Template.Annotations[templatesAnnotation]; ok && t != gatewayTemplate && t != "sidecar" {
		r.errorf("UNSUPPORTED-FIELD", "spec.template.metadata.annotations", "%s knows sidecar and %s here, not %q", templatesAnnotation, gatewayTemplate, shorten(t))
	}
	r.proxyConfig(in.Spec.Template.Annotations)
	if len(in.Spec.Template.Spec.Containers) == 0 {
		r.missing("spec.template.spec.containers", "a pod needs containers")
	}
	ports := map[int32]bool{}
	for i, c := range in.Spec.Template.Spec.Containers {
		b.container(r, c, at("spec.template.spec.containers", i), ports)
	}
}

func (b *build) selector(r reporter, in *apps.Deployment) {
	s := in.Spec.Selector
	switch {
	case s == nil || len(s.MatchLabels)+len(s.MatchExpressions) == 0:
		r.missing("spec.selector", "a Deployment needs a selector")
		r.hint("selector: {matchLabels: ...} with labels of the template")
	case len(s.MatchExpressions) > 0:
		r.errorf("UNSUPPORTED-FIELD", "spec.selector.matchExpressions", "matchExpressions are not supported yet")
		r.hint("use matchLabels")
	default:
		for _, k := range slices.Sorted(maps.Keys(s.MatchLabels)) {
			if v := in.Spec.Template.Labels[k]; v != s.MatchLabels[k] && !r.doc.damaged("spec.template.metadata") {
				r.errorf("SELECTOR-MISMATCH", joinPath("spec.selector.matchLabels", k), "the selector asks for %s=%s, which the template's labels do not have", k, s.MatchLabels[k])
			}
		}
	}
}

func (b *build) container(r reporter, c core.Container, path string, ports map[int32]bool) {
	for i, p := range c.Ports {
		at := at(path+".ports", i) + ".containerPort"
		switch {
		case r.doc.damaged(at):
		case p.ContainerPort < 1 || p.ContainerPort > 65535:
			r.errorf("BAD-PORT", at, "a port lies between 1 and 65535, not at %d", p.ContainerPort)
		case ports[p.ContainerPort]:
			r.errorf("DUPLICATE-NAME", at, "the container port %d occurs twice", p.ContainerPort)
		}
		ports[p.ContainerPort] = true
	}
	for i, e := range c.Env {
		p := at(path+".env", i)
		if e.ValueFrom != nil {
			r.errorf("UNSUPPORTED-FIELD", p+".valueFrom", "valueFrom is not supported: the lab has no Secrets, ConfigMaps or pod fields")
			r.hint("write the value itself")
		}
		if e.Name == "" {
			r.missing(p+".name", "a variable needs a name")
		} else if strings.ContainsAny(e.Name, "=\x00") {
			r.errorf("BAD-NAME", p+".name", "%q is no name of a variable", shorten(e.Name))
		}
		if strings.Contains(e.Value, "\x00") {
			r.errorf("BAD-VALUE", p+".value", "the value holds a zero byte")
		}
	}
	if len(c.EnvFrom) > 0 {
		r.errorf("UNSUPPORTED-FIELD", path+".envFrom", "envFrom is not supported: the lab has no Secrets or ConfigMaps")
		r.hint("write the variables under env")
	}
}
