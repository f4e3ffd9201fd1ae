package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"gopkg.in/yaml.v3"
)

// proxyAnnotation holds settings of one pod's proxy, as YAML (Istio's).
const proxyAnnotation = "proxy.istio.io/config"

// secretTTL is how long the pod's certificates live, in the settings' proxyMetadata (Istio's).
const secretTTL = "SECRET_TTL"

// What a lifetime of certificates may be: they are asked for in seconds, renewed after half their life, and the authority has a longest one.
const (
	shortestTTL = 2 * time.Second
	longestTTL  = 90 * 24 * time.Hour
)

// proxySettings are those that have an effect.
type proxySettings struct {
	Metadata map[string]string    `yaml:"proxyMetadata"`
	Others   map[string]yaml.Node `yaml:",inline"`
}

// certificateTTL reads the lifetime of a pod's certificates from the annotation; 0 where it says nothing.
func certificateTTL(annotation string) (time.Duration, error) {
	var in proxySettings
	if err := yaml.Unmarshal([]byte(annotation), &in); err != nil {
		return 0, fmt.Errorf("the settings are no YAML: %w", err)
	}
	text, found := in.Metadata[secretTTL]
	if !found {
		return 0, nil
	}
	ttl, err := time.ParseDuration(text)
	if err != nil || ttl < shortestTTL || ttl > longestTTL || ttl%time.Second != 0 {
		return 0, fmt.Errorf("%s is a time in whole seconds, from %s to %s, not %q", secretTTL, shortestTTL, longestTTL, shorten(text))
	}
	return ttl, nil
}

// proxyConfig checks the annotation.
func (r reporter) proxyConfig(annotations map[string]string) {
	const path = "spec.template.metadata.annotations"
	text, found := annotations[proxyAnnotation]
	if !found {
		return
	}
	if _, err := certificateTTL(text); err != nil {
		r.errorf("BAD-VALUE", path, "%s: %v", proxyAnnotation, err)
		return
	}
	var in proxySettings
	if err := yaml.Unmarshal([]byte(text), &in); err != nil {
		return // reported
	}
	delete(in.Metadata, secretTTL)
	for _, name := range slices.Concat(slices.Sorted(maps.Keys(in.Others)), slices.Sorted(maps.Keys(in.Metadata))) {
		r.warnf("IGNORED-FIELD", path, "%s: %s has no effect in this lab", proxyAnnotation, shorten(name))
		r.hint("there is proxyMetadata with %s", secretTTL)
	}
}
