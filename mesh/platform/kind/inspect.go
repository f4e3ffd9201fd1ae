package kind

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/squallmesh/squall/mesh/registry/kube"
)

// Inspect looks at a cluster that is there: whether pods that ask for a sidecar get one, and have one. there is false without a cluster. All
// that is wrong comes at once.
func Inspect(ctx context.Context, o Options) (there bool, err error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	p := o.provider()
	all, err := p.List()
	if err != nil || !slices.Contains(all, o.Name) {
		return false, err
	}
	c := &Cluster{opts: o}
	if c.nodes, err = p.ListInternalNodes(o.Name); err != nil {
		return true, fmt.Errorf("nodes of the cluster %s: %w", o.Name, err)
	}
	if err := c.connect(p); err != nil {
		return true, err
	}
	_, err = c.kube.AdmissionregistrationV1().MutatingWebhookConfigurations().Get(ctx, webhookName, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true, nil // no lab has been in it
	}
	if err == nil {
		err = c.webhookAnswers(ctx)
	}
	problems := []error{err}
	following, stop := context.WithCancel(ctx)
	defer stop()
	source, err := kube.Follow(following, c.kube, sidecars())
	if err != nil {
		return true, errors.Join(append(problems, err)...)
	}
	state, err := source.State()
	problems = append(problems, err)
	for _, p := range state.Bare {
		problems = append(problems, fmt.Errorf("pod %s has no sidecar: kubectl -n %s rollout restart deployment %s", p.Key(), p.Namespace, p.Owner))
	}
	stop()
	source.Wait()
	return true, errors.Join(problems...)
}
