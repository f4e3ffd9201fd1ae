package spec

import (
	"fmt"
	"slices"
)

// profiles of Envoy, the default first.
var profiles = []string{"istio", "exact"}

// Profile is the profile of Envoy in force.
func (s *Scenario) Profile() string {
	if p := s.Spec.Envoy.Profile; p != "" {
		return p
	}
	return profiles[0]
}

// Variants are the runs that the file asks for: itself, or one for each value of its matrix.
func (f *File) Variants() []*File {
	if f.Spec.Matrix == nil {
		return []*File{f}
	}
	var out []*File
	for i, profile := range f.Spec.Matrix.Profile {
		one := *f
		one.Spec.Envoy.Profile = profile
		if i > 0 {
			one.Metadata.Name += "-" + profile
		}
		out = append(out, &one)
	}
	return out
}

func (c *checker) matrix() {
	spec := &c.file.Spec
	run := []string{c.file.Profile()}
	if m := spec.Matrix; m != nil {
		run = m.Profile
		if spec.Envoy.Profile != "" {
			c.errorf("BAD-VALUE", "spec.envoy.profile", "the matrix says which profiles there are; delete this one")
		}
		if len(m.Profile) == 0 {
			c.errorf("MISSING-FIELD", "spec.matrix.profile", "a matrix needs values: [exact, istio]")
		}
		for i, p := range m.Profile {
			at := fmt.Sprintf("spec.matrix.profile[%d]", i)
			switch {
			case !slices.Contains(profiles, p):
				c.errorf("BAD-VALUE", at, "the profile is istio or exact, not %q", p)
			case slices.Contains(m.Profile[:i], p):
				c.errorf("DUPLICATE-NAME", at, "the profile %q is there already", p)
			}
		}
	}
	for i, check := range spec.Checks {
		if check.Profile != "" && !slices.Contains(run, check.Profile) {
			c.errorf("BAD-VALUE", fmt.Sprintf("spec.checks[%d].profile", i), "no run has the profile %q: the check would never be made", check.Profile)
		}
	}
}
