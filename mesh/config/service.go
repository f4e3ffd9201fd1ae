package config

import (
	"regexp"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/squallmesh/squall/mesh/model"
)

var portName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

func (b *build) service(doc *Document) *model.Service {
	in := doc.object.(*core.Service)
	r := b.reporter(doc)
	out := &model.Service{
		Host: doc.Name + "." + doc.Namespace + "." + b.domain, Name: doc.Name, Namespace: doc.Namespace,
		Resolution: model.Static, Selector: copyLabels(in.Spec.Selector), Pos: doc.Pos,
	}
	switch in.Spec.Type {
	case "", core.ServiceTypeClusterIP:
	case core.ServiceTypeNodePort, core.ServiceTypeLoadBalancer:
		r.warnf("IGNORED-FIELD", "spec.type", "nothing outside of the mesh reaches a service by its type %s here", in.Spec.Type)
		r.hint("a Gateway lets traffic in")
	case core.ServiceTypeExternalName:
		r.errorf("UNSUPPORTED-FIELD", "spec.type", "services of type ExternalName are not supported yet")
		r.hint("use a ServiceEntry with resolution DNS")
	default:
		r.errorf("BAD-ENUM", "spec.type", "a service has no type %q", shorten(string(in.Spec.Type)))
		r.hint("%s", DidYouMean(string(in.Spec.Type), []string{"ClusterIP", "NodePort", "LoadBalancer"}))
	}
	if ip := in.Spec.ClusterIP; ip != "" && ip != core.ClusterIPNone {
		out.Address = r.address(ip, "spec.clusterIP")
	}
	if list, ok := doc.Annotations["networking.istio.io/exportTo"]; ok {
		out.ExportTo = r.exportTo(splitList(list), "metadata.annotations")
	}
	if len(in.Spec.Ports) == 0 && !doc.damaged("spec.ports") && in.Spec.Type != core.ServiceTypeExternalName {
		r.missing("spec.ports", "a service needs ports")
	}
	names, numbers := map[string]bool{}, map[int32]bool{}
	for i, p := range in.Spec.Ports {
		path := at("spec.ports", i)
		if port, ok := r.servicePort(p, path, len(in.Spec.Ports) > 1, names, numbers); ok {
			out.Ports = append(out.Ports, port)
		}
	}
	return out
}

func (r reporter) servicePort(p core.ServicePort, path string, several bool, names map[string]bool, numbers map[int32]bool) (model.Port, bool) {
	out := model.Port{Name: p.Name, Pos: r.pos(path)}
	if r.doc.damaged(path + ".port") {
		return out, false
	}
	if p.Port < 1 || p.Port > 65535 {
		r.errorf("BAD-PORT", path+".port", "a port lies between 1 and 65535, not at %d", p.Port)
		return out, false
	}
	out.Number = uint32(p.Port)
	if several && p.Name == "" {
		r.missing(path+".name", "each of several ports needs a name")
	}
	if p.Name != "" && !portName.MatchString(p.Name) {
		r.errorf("BAD-NAME", path+".name", "%q is no name of a port", shorten(p.Name))
	}
	if p.Name != "" && names[p.Name] {
		r.errorf("DUPLICATE-NAME", path+".name", "the port name %q occurs twice", p.Name)
	}
	if numbers[p.Port] {
		r.errorf("DUPLICATE-NAME", path+".port", "the port %d occurs twice", p.Port)
		r.hint("one number for both TCP and UDP is not supported")
		return out, false
	}
	names[p.Name], numbers[p.Port] = true, true
	appProtocol := ""
	if p.AppProtocol != nil {
		appProtocol = *p.AppProtocol
	}
	out.Protocol = model.ParseProtocol(appProtocol, p.Name)
	switch p.Protocol {
	case "", core.ProtocolTCP:
	case core.ProtocolUDP:
		out.Protocol = model.UDP
	case core.ProtocolSCTP:
		r.errorf("UNSUPPORTED-FIELD", path+".protocol", "SCTP is not supported")
	default:
		r.errorf("BAD-ENUM", path+".protocol", "a port has no protocol %q", shorten(string(p.Protocol)))
		r.hint("TCP or UDP; what is spoken on top is told by appProtocol, or by the name's first part: http-web")
	}
	switch p.TargetPort.Type {
	case intstr.Int:
		if n := p.TargetPort.IntVal; n < 0 || n > 65535 {
			r.errorf("BAD-PORT", path+".targetPort", "a port lies between 1 and 65535, not at %d", n)
		} else {
			out.Target = uint32(n)
		}
	case intstr.String:
		out.TargetName = p.TargetPort.StrVal
		if !portName.MatchString(out.TargetName) {
			r.errorf("BAD-NAME", path+".targetPort", "%q is no name of a port", shorten(out.TargetName))
		}
	}
	return out, true
}
