// Package rules holds no code: its tests hold the import rules that ARCHITECTURE.md states, and what the documents show.
package rules
