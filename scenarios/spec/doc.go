// Package spec is the format of scenario files (squall.dev/v1alpha1, kind Scenario): what may stand
// in them, and reading them with the place of every field.
package spec
