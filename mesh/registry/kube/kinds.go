package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// kind is one of Istio's, or of our own, that a control plane knows.
type kind struct {
	name, plural, group string
	versions            []string
	short               []string
}

// kinds gives all, sorted by name. The first version is the one that is stored and watched.
func kinds() []kind {
	networking := []string{"v1", "v1beta1", "v1alpha3"}
	security := []string{"v1", "v1beta1"}
	return []kind{
		{"AuthorizationPolicy", "authorizationpolicies", "security.istio.io", security, []string{"ap"}},
		{"DestinationRule", "destinationrules", "networking.istio.io", networking, []string{"dr"}},
		{"EnvoyFilter", "envoyfilters", "networking.istio.io", []string{"v1alpha3"}, nil},
		{"Gateway", "gateways", "networking.istio.io", networking, []string{"gw"}},
		{"HealthCheckPolicy", "healthcheckpolicies", "squall.dev", []string{"v1alpha1"}, []string{"hcp"}},
		{"PeerAuthentication", "peerauthentications", "security.istio.io", security, []string{"pa"}},
		{"QuotaPolicy", "quotapolicies", "squall.dev", []string{"v1alpha1"}, []string{"qp"}},
		{"RequestAuthentication", "requestauthentications", "security.istio.io", security, []string{"ra"}},
		{"Revocation", "revocations", "squall.dev", []string{"v1alpha1"}, nil},
		{"ServiceEntry", "serviceentries", "networking.istio.io", networking, []string{"se"}},
		{"Telemetry", "telemetries", "telemetry.istio.io", []string{"v1", "v1alpha1"}, []string{"telemetry"}},
		{"VirtualService", "virtualservices", "networking.istio.io", networking, []string{"vs"}},
	}
}

func (k kind) resource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: k.group, Version: k.versions[0], Resource: k.plural}
}

var definitions = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// definition is the kind's CustomResourceDefinition. Fields are left to the control plane, whose messages name the line and a likely word.
func (k kind) definition() *unstructured.Unstructured {
	var versions []any
	for n, v := range k.versions {
		versions = append(versions, map[string]any{
			"name": v, "served": true, "storage": n == 0, "subresources": map[string]any{"status": map[string]any{}},
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "properties": map[string]any{
				"spec":   map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
				"status": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true},
			}}},
			"additionalPrinterColumns": []any{
				map[string]any{"name": "Effective", "type": "string", "jsonPath": `.status.conditions[?(@.type=="Effective")].status`},
				map[string]any{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
			},
		})
	}
	var short []any
	for _, s := range k.short {
		short = append(short, s)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": k.plural + "." + k.group},
		"spec": map[string]any{
			"group": k.group, "scope": "Namespaced", "versions": versions,
			"names": map[string]any{"kind": k.name, "listKind": k.name + "List", "plural": k.plural, "singular": strings.ToLower(k.name), "shortNames": short},
		},
	}}
}

// Definitions make a cluster know the kinds, sorted by kind.
func Definitions() []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, k := range kinds() {
		out = append(out, k.definition())
	}
	return out
}

// definedPoll is how often the cluster is asked whether it serves a new kind.
const definedPoll = 50 * time.Millisecond

// Install makes the cluster know the kinds. Those that are there, of Istio's own installation perhaps, stay as they are.
func Install(ctx context.Context, c dynamic.Interface) error {
	for _, d := range Definitions() {
		_, err := c.Resource(definitions).Create(ctx, d, meta.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("the kind %s: %w", d.GetName(), err)
		}
	}
	for _, k := range kinds() {
		for {
			_, err := c.Resource(k.resource()).List(ctx, meta.ListOptions{Limit: 1})
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("the cluster does not serve the kind %s: %w", k.name, err)
			case <-time.After(definedPoll):
			}
		}
	}
	return nil
}
