package kind

import (
	"bytes"
	"encoding/json"
	"fmt"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/kind/inject"
	"github.com/squallmesh/squall/mesh/registry/kube"
)

// Manifests are what stays in a cluster between labs: the kinds of rules, the pod of control planes, and the webhook in it. They are the
// objects that a lab makes there itself if they are not, and that it uses if they are.
type Manifests struct {
	// Image is of the control plane's pod and of sidecars. The nodes must have it: a lab brings it to them.
	Image string
	// Secrets adds the webhook's key and what agents want to hear, made anew: for a cluster that has none. Without them the first lab makes them.
	Secrets bool
}

// YAML gives all as documents for kubectl, in an order in which they can be applied.
func (m Manifests) YAML() ([]byte, error) {
	var out bytes.Buffer
	list := []*unstructured.Unstructured{}
	one, err := plain(namespace(systemNamespace))
	if err != nil {
		return nil, err
	}
	list = append(append(list, one), kube.Definitions()...)
	var made secrets
	if m.Secrets {
		if made, err = newSecrets(); err != nil {
			return nil, err
		}
	}
	objects, err := m.objects(made)
	if err != nil {
		return nil, err
	}
	for _, o := range append(list, objects...) {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return nil, err
		}
		_, _ = fmt.Fprintf(&out, "---\n%s", text)
	}
	return out.Bytes(), nil
}

// secrets are what nobody else may know; those that are empty are left out.
type secrets struct {
	webhook pair
	token   string
}

func newSecrets() (s secrets, err error) {
	if s.webhook, err = newPair(); err != nil {
		return s, err
	}
	s.token, err = newToken()
	return s, err
}

// objects are all but the namespace and the kinds.
func (m Manifests) objects(s secrets) ([]*unstructured.Unstructured, error) {
	control := fleet.ControlPod()
	pod, err := (&Cluster{image: m.Image}).manifest(control)
	if err != nil {
		return nil, err
	}
	list := []runtime.Object{serviceAccount(control), webhookRole(), webhookBinding(), webhookService()}
	if s.token != "" {
		token := inject.Secret(s.token)
		token.Namespace = systemNamespace
		list = append(list, s.webhook.secret(), token)
	}
	var out []*unstructured.Unstructured
	for _, o := range append(list, webhook(s.webhook.root), pod) {
		one, err := plain(o)
		if err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// plain is an object as people write it: with its kind, and without what a cluster adds.
func plain(o runtime.Object) (*unstructured.Unstructured, error) {
	kinds, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	out := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &out.Object); err != nil {
		return nil, err
	}
	out.SetGroupVersionKind(kinds[0])
	delete(out.Object, "status")
	unstructured.RemoveNestedField(out.Object, "metadata", "creationTimestamp")
	if _, ok := o.(*core.Namespace); ok {
		delete(out.Object, "spec")
	}
	return out, nil
}
