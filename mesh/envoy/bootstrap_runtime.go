package envoy

import (
	"fmt"
	"maps"
	"strconv"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// LeaseLayer is the name of run-time layer i: the resource that the control plane fills.
func LeaseLayer(i int) string { return "lease-" + strconv.Itoa(i) }

// layeredRuntime puts the layers in order; the later overrides the earlier.
func layeredRuntime(opts BootstrapOptions) (*bootstrapv3.LayeredRuntime, error) {
	values := DefaultRuntime()
	maps.Copy(values, opts.Runtime)
	maps.DeleteFunc(values, func(_ string, v any) bool { return v == nil })
	static, err := structpb.NewStruct(values)
	if err != nil {
		return nil, fmt.Errorf("the static run-time layer: %w", err)
	}
	layers := []*bootstrapv3.RuntimeLayer{{
		Name: "global config", LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: static},
	}}
	for i := range opts.Leases {
		layers = append(layers, &bootstrapv3.RuntimeLayer{
			Name: LeaseLayer(i),
			LayerSpecifier: &bootstrapv3.RuntimeLayer_RtdsLayer_{RtdsLayer: &bootstrapv3.RuntimeLayer_RtdsLayer{
				Name: LeaseLayer(i), RtdsConfig: overADS(opts.InitialFetchTimeout),
			}},
		})
	}
	layers = append(layers, &bootstrapv3.RuntimeLayer{
		Name: "admin", LayerSpecifier: &bootstrapv3.RuntimeLayer_AdminLayer_{AdminLayer: &bootstrapv3.RuntimeLayer_AdminLayer{}},
	})
	return &bootstrapv3.LayeredRuntime{Layers: layers}, nil
}
