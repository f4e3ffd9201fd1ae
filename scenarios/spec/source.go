package spec

import _ "embed"

// Source is scenario.go: its comments are the words of the reference and of the schema.
//
//go:embed scenario.go
var Source string
