package config

import (
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"gopkg.in/yaml.v3"
	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	telemetry "istio.io/api/telemetry/v1alpha1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
)

// The kinds that have a meaning.
const (
	kindVirtualService  = "VirtualService"
	kindDestinationRule = "DestinationRule"
	kindGateway         = "Gateway"
	kindServiceEntry    = "ServiceEntry"
	kindService         = "Service"
	kindDeployment      = "Deployment"
	kindServiceAccount  = "ServiceAccount"
	kindSecret          = "Secret"
	kindConfigMap       = "ConfigMap"

	kindPeerAuthentication  = "PeerAuthentication"
	kindAuthorizationPolicy = "AuthorizationPolicy"

	kindRequestAuthentication = "RequestAuthentication"
	kindQuotaPolicy           = "QuotaPolicy"
	kindHealthCheckPolicy     = "HealthCheckPolicy"
	kindEnvoyFilter           = "EnvoyFilter"
	kindRevocation            = "Revocation"
	kindTelemetry             = "Telemetry"
)

// kind says how a kind of document is decoded: as a protobuf message under spec, or as a whole Go struct.
type kind struct {
	name     string
	versions []string
	message  func() proto.Message
	object   func() any
	// more decodes what waits until the rest is; nil for most.
	more func(*decoder, *Document)
}

var networkingVersions = []string{"networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"}

var securityVersions = []string{"security.istio.io/v1", "security.istio.io/v1beta1"}

var telemetryVersions = []string{"telemetry.istio.io/v1", "telemetry.istio.io/v1alpha1"}

// kinds gives all supported kinds, sorted by name.
func kinds() []kind {
	return []kind{
		{name: kindAuthorizationPolicy, versions: securityVersions, message: func() proto.Message { return new(security.AuthorizationPolicy) }},
		{name: kindConfigMap, versions: []string{"v1"}, object: func() any { return new(core.ConfigMap) }},
		{name: kindDeployment, versions: []string{"apps/v1"}, object: func() any { return new(apps.Deployment) }},
		{name: kindDestinationRule, versions: networkingVersions, message: func() proto.Message { return new(networking.DestinationRule) }},
		{name: kindEnvoyFilter, versions: []string{"networking.istio.io/v1alpha3"}, message: func() proto.Message { return new(networking.EnvoyFilter) }, more: patchValues},
		{name: kindGateway, versions: networkingVersions, message: func() proto.Message { return new(networking.Gateway) }},
		{name: kindHealthCheckPolicy, versions: []string{"squall.dev/v1alpha1"}, object: func() any { return new(healthCheckDocument) }},
		{name: kindPeerAuthentication, versions: securityVersions, message: func() proto.Message { return new(security.PeerAuthentication) }},
		{name: kindQuotaPolicy, versions: []string{"squall.dev/v1alpha1"}, object: func() any { return new(quotaDocument) }},
		{name: kindRequestAuthentication, versions: securityVersions, message: func() proto.Message { return new(security.RequestAuthentication) }},
		{name: kindRevocation, versions: []string{"squall.dev/v1alpha1"}, object: func() any { return new(revocationDocument) }},
		{name: kindSecret, versions: []string{"v1"}, object: func() any { return new(core.Secret) }},
		{name: kindService, versions: []string{"v1"}, object: func() any { return new(core.Service) }},
		{name: kindServiceAccount, versions: []string{"v1"}, object: func() any { return new(core.ServiceAccount) }},
		{name: kindServiceEntry, versions: networkingVersions, message: func() proto.Message { return new(networking.ServiceEntry) }},
		{name: kindTelemetry, versions: telemetryVersions, message: func() proto.Message { return new(telemetry.Telemetry) }},
		{name: kindVirtualService, versions: networkingVersions, message: func() proto.Message { return new(networking.VirtualService) }},
	}
}

func kindNames() []string {
	var out []string
	for _, k := range kinds() {
		out = append(out, k.name)
	}
	return out
}

// ignored lists kinds that users keep beside the others and that mean nothing to the lab, by their API group.
var ignored = map[string]string{
	"":                             "Namespace PersistentVolume PersistentVolumeClaim ResourceQuota LimitRange Event Endpoints",
	"apps":                         "ReplicaSet ControllerRevision",
	"autoscaling":                  "HorizontalPodAutoscaler",
	"policy":                       "PodDisruptionBudget PodSecurityPolicy",
	"networking.k8s.io":            "Ingress IngressClass NetworkPolicy",
	"extensions":                   "Ingress",
	"rbac.authorization.k8s.io":    "Role RoleBinding ClusterRole ClusterRoleBinding",
	"storage.k8s.io":               "StorageClass",
	"apiextensions.k8s.io":         "CustomResourceDefinition",
	"admissionregistration.k8s.io": "MutatingWebhookConfiguration ValidatingWebhookConfiguration",
	"scheduling.k8s.io":            "PriorityClass",
	"discovery.k8s.io":             "EndpointSlice",
	"monitoring.coreos.com":        "ServiceMonitor PodMonitor PrometheusRule",
}

// kindOf finds how to decode a document, or says why it cannot be.
func (d *decoder) kindOf(doc *Document, kindNode, versionNode *yaml.Node) (kind, bool) {
	group, _, grouped := strings.Cut(doc.APIVersion, "/")
	if !grouped {
		group = ""
	}
	if slices.Contains(strings.Fields(ignored[group]), doc.Kind) {
		d.diags.Warnf("IGNORED-KIND", d.pos(kindNode), "a %s has no effect in this lab", doc.Kind)
		return kind{}, false
	}
	for _, k := range kinds() {
		if k.name != doc.Kind {
			continue
		}
		if !slices.Contains(k.versions, doc.APIVersion) {
			d.errorf("UNKNOWN-VERSION", versionNode, "apiVersion", "%s has no version %q here", doc.Kind, shorten(doc.APIVersion))
			d.diags.Hint("supported: %s", strings.Join(k.versions, ", "))
			return kind{}, false
		}
		return k, true
	}
	d.errorf("UNKNOWN-KIND", kindNode, "kind", "%s of %s is not supported", shorten(doc.Kind), shorten(doc.APIVersion))
	if near := nearest(doc.Kind, kindNames()); near != "" {
		d.diags.Hint("did you mean %s?", near)
	} else {
		d.diags.Hint("supported: %s", strings.Join(kindNames(), ", "))
	}
	return kind{}, false
}

// decode reads what is beside kind, apiVersion and metadata.
func (k kind) decode(d *decoder, root *yaml.Node, pairs []pair, doc *Document) {
	if k.object != nil {
		k.decodeObject(d, pairs, doc)
		return
	}
	doc.message = k.message()
	found := false
	for _, p := range pairs {
		switch p.name {
		case "apiVersion", "kind", "metadata", "status":
		case "spec":
			found = true
			d.note("spec", p)
			if !isNull(p.value) {
				d.message(p.value, doc.message.ProtoReflect(), "spec", "spec")
			}
		default:
			d.errorf("UNKNOWN-FIELD", p.key, p.name, "unknown field %q in %s", p.name, k.name)
			d.diags.Hint("%s", DidYouMean(p.name, []string{"metadata", "spec"}))
		}
	}
	if !found {
		d.errorf("MISSING-FIELD", root, "spec", "the %s has no spec", k.name)
	}
	if k.more != nil {
		k.more(d, doc)
	}
}

func (k kind) decodeObject(d *decoder, pairs []pair, doc *Document) {
	doc.object = k.object()
	v := reflect.ValueOf(doc.object).Elem()
	fields := map[string]reflect.Value{}
	jsonFields(v, fields)
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, p := range pairs {
		switch p.name {
		case "apiVersion", "kind", "metadata", "status":
			continue
		}
		d.note(p.name, p)
		f, ok := fields[p.name]
		if !ok {
			d.errorf("UNKNOWN-FIELD", p.key, p.name, "unknown field %q in %s", p.name, k.name)
			d.diags.Hint("%s", DidYouMean(p.name, names))
			continue
		}
		if !isNull(p.value) {
			d.into(p.value, f, p.name, p.name)
		}
	}
}
