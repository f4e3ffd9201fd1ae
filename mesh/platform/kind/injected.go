package kind

import (
	"context"

	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/kind/inject"
	"github.com/squallmesh/squall/mesh/registry/kube"
)

var _ fleet.Cluster = (*host)(nil)

// sidecars says which pods are the mesh's.
func sidecars() kube.Sidecars {
	return kube.Sidecars{
		NamespaceLabel: inject.NamespaceLabel, NamespaceValue: inject.NamespaceEnabled, Wanted: inject.Wanted,
		Container: inject.ProxyName, Annotation: inject.SidecarAnnotation, Ignored: labLabel,
	}
}

// Follow follows the pods and services that others made.
func (h *host) Follow(ctx context.Context) (fleet.Source, error) {
	s, err := kube.Follow(ctx, h.kube, sidecars())
	if err != nil { // no typed nil
		return nil, err
	}
	return s, nil
}

// Take gives the way into a pod that others made.
func (h *host) Take(ctx context.Context, p fleet.Pod, address string) (fleet.Place, error) {
	return h.place(ctx, p, address)
}

// Sidecar is the image of sidecars.
func (h *host) Sidecar() string { return h.image }

// Tell passes a line on.
func (h *host) Tell(line string) {
	if h.opts.Progress != nil {
		h.opts.Progress(line)
	}
}
