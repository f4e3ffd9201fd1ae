package kind

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/squallmesh/squall/mesh/model"
)

// Services makes these the only Services of labs, at the addresses that the model gave them.
func (h *host) Services(ctx context.Context, list []*model.Service) error {
	there, err := h.kube.CoreV1().Services("").List(ctx, meta.ListOptions{LabelSelector: labLabel})
	if err != nil {
		return fmt.Errorf("services: %w", err)
	}
	old := map[string]*core.Service{}
	for i := range there.Items {
		s := &there.Items[i]
		old[s.Namespace+"/"+s.Name] = s
	}
	wanted := map[string]*core.Service{}
	for _, s := range list {
		if s.Name != "" { // hosts outside have none
			one := service(s)
			wanted[one.Namespace+"/"+one.Name] = one
		}
	}
	for key, s := range old {
		if want := wanted[key]; want != nil && want.Annotations[hashLabel] == s.Annotations[hashLabel] {
			delete(wanted, key)
			continue
		}
		if _, users := s.Annotations[core.LastAppliedConfigAnnotation]; users { // somebody has made it theirs since
			delete(s.Labels, labLabel)
			if _, err := h.kube.CoreV1().Services(s.Namespace).Update(ctx, s, meta.UpdateOptions{}); err != nil {
				return fmt.Errorf("service %s: %w", key, err)
			}
			continue
		}
		if err := h.kube.CoreV1().Services(s.Namespace).Delete(ctx, s.Name, meta.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("service %s: %w", key, err)
		}
	}
	for key, s := range wanted {
		if err := h.makeNamespace(ctx, s.Namespace); err != nil {
			return err
		}
		_, err := h.kube.CoreV1().Services(s.Namespace).Create(ctx, s, meta.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("service %s is in the cluster already, and is not of a lab: run with --injected to use the app that is there, or take it away (kubectl -n %s delete service %s)", key, s.Namespace, s.Name)
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", key, err)
		}
	}
	return nil
}

func service(s *model.Service) *core.Service {
	out := &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: s.Name, Namespace: s.Namespace, Labels: map[string]string{labLabel: "true"}},
		Spec:       core.ServiceSpec{Selector: maps.Clone(s.Selector), ClusterIP: s.Address},
	}
	for _, p := range s.Ports {
		port := core.ServicePort{Name: p.Name, Port: int32(p.Number), Protocol: core.ProtocolTCP, TargetPort: intstr.FromInt32(int32(p.Number))}
		if port.Name == "" && len(s.Ports) > 1 {
			port.Name = fmt.Sprintf("port-%d", p.Number)
		}
		if p.Protocol == model.UDP {
			port.Protocol = core.ProtocolUDP
		}
		switch {
		case p.TargetName != "":
			port.TargetPort = intstr.FromString(p.TargetName)
		case p.Target != 0:
			port.TargetPort = intstr.FromInt32(int32(p.Target))
		}
		out.Spec.Ports = append(out.Spec.Ports, port)
	}
	text, _ := json.Marshal(out.Spec) // of plain fields
	out.Annotations = map[string]string{hashLabel: string(text)}
	return out
}
