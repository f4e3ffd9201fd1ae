package spec

import "embed"

// Source is the code of the format's types, from whose comments the reference and the schema are made.
//
//go:embed scenario.go fault.go check.go statistics.go
var Source embed.FS
