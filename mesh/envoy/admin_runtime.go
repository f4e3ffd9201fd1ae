package envoy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Runtime is what Envoy's run-time layers say.
type Runtime struct {
	Layers []string                `json:"layers"` // in order: the later overrides the earlier
	Values map[string]RuntimeValue `json:"entries"`
}

// RuntimeValue is one run-time key.
type RuntimeValue struct {
	Final  string   `json:"final_value"`
	Layers []string `json:"layer_values"` // in the order of Runtime.Layers; empty where the layer does not have it
}

// Runtime returns all run-time keys that some layer sets.
func (a *Admin) Runtime(ctx context.Context) (Runtime, error) {
	body, err := a.Get(ctx, "/runtime")
	if err != nil {
		return Runtime{}, err
	}
	var r Runtime
	if err := json.Unmarshal(body, &r); err != nil {
		return Runtime{}, fmt.Errorf("read Envoy's answer to /runtime: %w", err)
	}
	return r, nil
}

// SetRuntime sets keys of the admin layer, which overrides all others. An empty value removes the key.
func (a *Admin) SetRuntime(ctx context.Context, values map[string]string) error {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		pairs = append(pairs, key, values[key])
	}
	_, err := a.Post(ctx, query("/runtime_modify", pairs...))
	return err
}
