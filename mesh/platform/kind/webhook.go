package kind

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/squallmesh/squall/mesh/ca"
	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/kind/inject"
)

// The webhook is a container of the control plane's pod, which stays between labs: pods get their sidecars at any time.
const (
	webhookName   = "squall-sidecar-injector"
	webhookSecret = "squall-webhook"
	rootKey       = "ca.crt"
	webhookPort   = 15017 // Istio's
	webhookDir    = "/etc/squall-webhook"
	controlPod    = "squall-mesh"
	accountDir    = "/var/run/secrets/kubernetes.io/serviceaccount"
	// webhookTTL is how long its certificate lives. Half of it before the end there is a new one.
	webhookTTL = 90 * 24 * time.Hour
	// webhookTimeout is how long the cluster waits for it, in seconds. A pod that waited in vain is made without a sidecar.
	webhookTimeout = 5
)

// webhookHost is by whose name the cluster calls it.
const webhookHost = controlPod + "." + systemNamespace + ".svc"

// addWebhook adds its container to the control plane's pod. It alone of the pod may use the cluster's API.
func (c *Cluster) addWebhook(pod *core.Pod) {
	pod.Spec.Containers = append(pod.Spec.Containers, core.Container{
		Name: "webhook", Image: c.image, ImagePullPolicy: core.PullNever,
		Command: []string{fleet.Squall, "webhook", "--listen", fmt.Sprintf("$(POD_IP):%d", webhookPort), "--certificate", webhookDir, "--image", c.image, "--token-file", fleet.TokenFile},
		Env:     []core.EnvVar{{Name: "POD_IP", ValueFrom: &core.EnvVarSource{FieldRef: &core.ObjectFieldSelector{FieldPath: "status.podIP"}}}},
		VolumeMounts: []core.VolumeMount{
			{Name: "token", MountPath: "/etc/squall", ReadOnly: true},
			{Name: "webhook", MountPath: webhookDir, ReadOnly: true},
			{Name: "account", MountPath: accountDir, ReadOnly: true},
		},
		SecurityContext: inject.Unprivileged(fleet.ProxyUser),
	})
	pod.Spec.Volumes = append(pod.Spec.Volumes,
		core.Volume{Name: "webhook", VolumeSource: core.VolumeSource{Secret: &core.SecretVolumeSource{SecretName: webhookSecret, DefaultMode: new(int32(0o440))}}},
		core.Volume{Name: "account", VolumeSource: core.VolumeSource{Projected: &core.ProjectedVolumeSource{Sources: []core.VolumeProjection{
			{ServiceAccountToken: &core.ServiceAccountTokenProjection{Path: "token"}},
			{ConfigMap: &core.ConfigMapProjection{LocalObjectReference: core.LocalObjectReference{Name: "kube-root-ca.crt"}, Items: []core.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}}}},
		}}}},
	)
}

// installWebhook makes what the webhook needs, and has the cluster call it.
func (h *host) installWebhook(ctx context.Context) error {
	roots, err := h.webhookCertificate(ctx)
	if err != nil {
		return fmt.Errorf("the webhook's certificate: %w", err)
	}
	if err := h.mayMakeSecrets(ctx); err != nil {
		return fmt.Errorf("the webhook's rights: %w", err)
	}
	if _, err := h.kube.CoreV1().Services(systemNamespace).Create(ctx, webhookService(), meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("the webhook's service: %w", err)
	}
	api := h.kube.AdmissionregistrationV1().MutatingWebhookConfigurations()
	want := webhook(roots)
	there, err := api.Get(ctx, want.Name, meta.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = api.Create(ctx, want, meta.CreateOptions{})
	case err == nil:
		want.ResourceVersion = there.ResourceVersion
		_, err = api.Update(ctx, want, meta.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("the webhook: %w", err)
	}
	return nil
}

// webhook says for which pods the cluster asks: those of namespaces labelled for injection that do not refuse it, and those that ask for it in
// namespaces that say nothing. Source: Istio's default revision, manifests/charts/istio-control/istio-discovery/templates/mutatingwebhook.yaml.
func webhook(roots []byte) *admissionregistration.MutatingWebhookConfiguration {
	one := func(name string, namespaces, pods []meta.LabelSelectorRequirement) admissionregistration.MutatingWebhook {
		return admissionregistration.MutatingWebhook{
			Name: name + "." + webhookName + ".squall.dev", AdmissionReviewVersions: []string{"v1"},
			ClientConfig: admissionregistration.WebhookClientConfig{
				CABundle: roots,
				Service:  &admissionregistration.ServiceReference{Namespace: systemNamespace, Name: controlPod, Path: new(inject.Path)},
			},
			Rules: []admissionregistration.RuleWithOperations{{
				Operations: []admissionregistration.OperationType{admissionregistration.Create},
				Rule:       admissionregistration.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			FailurePolicy: new(admissionregistration.Ignore), SideEffects: new(admissionregistration.SideEffectClassNoneOnDryRun),
			TimeoutSeconds: new(int32(webhookTimeout)), ReinvocationPolicy: new(admissionregistration.IfNeededReinvocationPolicy),
			NamespaceSelector: &meta.LabelSelector{MatchExpressions: namespaces}, ObjectSelector: &meta.LabelSelector{MatchExpressions: pods},
		}
	}
	return &admissionregistration.MutatingWebhookConfiguration{
		ObjectMeta: meta.ObjectMeta{Name: webhookName},
		Webhooks: []admissionregistration.MutatingWebhook{
			one("namespace",
				[]meta.LabelSelectorRequirement{{Key: inject.NamespaceLabel, Operator: meta.LabelSelectorOpIn, Values: []string{inject.NamespaceEnabled}}},
				[]meta.LabelSelectorRequirement{{Key: inject.PodLabel, Operator: meta.LabelSelectorOpNotIn, Values: []string{"false"}}},
			),
			one("object",
				[]meta.LabelSelectorRequirement{
					{Key: inject.NamespaceLabel, Operator: meta.LabelSelectorOpDoesNotExist},
					{Key: "kubernetes.io/metadata.name", Operator: meta.LabelSelectorOpNotIn, Values: []string{"kube-system", "kube-public", "kube-node-lease", systemNamespace}},
				},
				[]meta.LabelSelectorRequirement{{Key: inject.PodLabel, Operator: meta.LabelSelectorOpIn, Values: []string{"true"}}},
			),
		},
	}
}

// webhookCertificate makes the certificate, or keeps the one that is there. It gives the root.
func (h *host) webhookCertificate(ctx context.Context) (root []byte, err error) {
	api := h.kube.CoreV1().Secrets(systemNamespace)
	there, err := api.Get(ctx, webhookSecret, meta.GetOptions{})
	switch {
	case err == nil && fresh(there.Data[core.TLSCertKey]):
		return there.Data[rootKey], nil
	case err == nil: // its pod takes the new one when it starts
		if err := errors.Join(api.Delete(ctx, webhookSecret, meta.DeleteOptions{}), h.delete(ctx, systemNamespace, controlPod)); err != nil {
			return nil, err
		}
	case !apierrors.IsNotFound(err):
		return nil, err
	}
	made, err := newPair()
	if err != nil {
		return nil, err
	}
	_, err = api.Create(ctx, made.secret(), meta.CreateOptions{})
	return made.root, err
}

// fresh tells that a certificate will do for long.
func fresh(chain []byte) bool {
	list, err := ca.ParseCertificates(chain)
	return err == nil && time.Until(list[0].NotAfter) > webhookTTL/2
}

// mayMakeSecrets lets the webhook make secrets, which it can neither read nor change.
func (h *host) mayMakeSecrets(ctx context.Context) error {
	if _, err := h.kube.RbacV1().ClusterRoles().Create(ctx, webhookRole(), meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	if _, err := h.kube.RbacV1().ClusterRoleBindings().Create(ctx, webhookBinding(), meta.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

func webhookService() *core.Service {
	return &core.Service{
		ObjectMeta: meta.ObjectMeta{Name: controlPod, Namespace: systemNamespace},
		Spec: core.ServiceSpec{
			Selector: map[string]string{"app": controlPod},
			Ports:    []core.ServicePort{{Name: "https-webhook", Port: 443, TargetPort: intstr.FromInt32(webhookPort)}},
		},
	}
}

func webhookRole() *rbac.ClusterRole {
	return &rbac.ClusterRole{
		ObjectMeta: meta.ObjectMeta{Name: webhookName},
		Rules:      []rbac.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create"}}},
	}
}

func webhookBinding() *rbac.ClusterRoleBinding {
	return &rbac.ClusterRoleBinding{
		ObjectMeta: meta.ObjectMeta{Name: webhookName}, RoleRef: rbac.RoleRef{APIGroup: rbac.GroupName, Kind: "ClusterRole", Name: webhookName},
		Subjects: []rbac.Subject{{Kind: rbac.ServiceAccountKind, Name: controlPod, Namespace: systemNamespace}},
	}
}

// pair is a certificate with its key, and the root by which it is known.
type pair struct{ chain, key, root []byte }

func (p pair) secret() *core.Secret {
	return &core.Secret{
		ObjectMeta: meta.ObjectMeta{Name: webhookSecret, Namespace: systemNamespace}, Type: core.SecretTypeTLS,
		Data: map[string][]byte{core.TLSCertKey: p.chain, core.TLSPrivateKeyKey: p.key, rootKey: p.root},
	}
}

// newPair makes a certificate for the webhook, by an authority that signs nothing else and is gone then.
func newPair() (p pair, err error) {
	dir, err := os.MkdirTemp("", "squall-ca-")
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	authority, err := ca.Open(ca.Options{Dir: dir, TrustDomain: systemNamespace})
	if err != nil {
		return p, err
	}
	p.root = []byte(authority.Roots())
	p.chain, p.key, err = authority.IssueServing(webhookTTL, webhookHost)
	return p, err
}

// webhookAnswers tells that it can be reached, and is known by its certificate; nil, or why not.
func (c *Cluster) webhookAnswers(ctx context.Context) error {
	s, err := c.kube.CoreV1().Secrets(systemNamespace).Get(ctx, webhookSecret, meta.GetOptions{})
	if err != nil {
		return fmt.Errorf("the webhook's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.Data[rootKey])
	d := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: webhookHost}}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(c.node, strconv.Itoa(webhookPort)))
	if err != nil {
		return fmt.Errorf("the webhook does not answer, pods start without sidecars: %w", err)
	}
	return conn.Close()
}
