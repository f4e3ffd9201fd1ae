package reports

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/diag"
)

func TestFindingsAreEscapedAsGitHubWants(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Findings(&b, diag.List{
		{Code: "BAD-VALUE", Pos: diag.Pos{File: "a,b:c.yaml", Line: 3, Col: 7}, Message: "100% of\nall", Hint: "say: 99%"},
		{Code: "NO-FILE", Severity: diag.Warning, Message: "none"},
	}))
	require.ElementsMatch(t, []string{
		"::error file=a%2Cb%3Ac.yaml,line=3,col=7,title=BAD-VALUE::100%25 of%0Aall%0Asay: 99%25",
		"::warning title=NO-FILE::none",
	}, linesOf(b.Bytes()))
}

func linesOf(b []byte) []string {
	var out []string
	for line := range bytes.Lines(b) {
		out = append(out, string(bytes.TrimSuffix(line, []byte("\n"))))
	}
	return out
}
