package reports

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/stat"
)

// Every report says what checks with declared error rates declare together, and none does if there are none.
func TestDeclared(t *testing.T) {
	low := 0.5
	r := &record.Run{Verdict: record.Pass, Checks: []record.Result{
		{Name: "exact", Verdict: record.Pass},
		{Name: "split", Verdict: record.Pass, Test: &record.Test{
			Errors: stat.Errors{FalsePass: 0.01, FalseFail: 1e-5, FalseInconclusive: 0.05}, Needed: 8253, Intervals: []record.Interval{{Of: "v1", Unit: "%", Low: &low}},
		}},
		{Name: "rate", Verdict: record.Pass, Test: &record.Test{Errors: stat.Errors{FalsePass: 0.02, FalseFail: 1e-5, FalseInconclusive: 0.05}}},
	}}
	const sentence = "Declared error rates of 2 checks in all: false pass 0.03, false fail 2e-05, false inconclusive 0.1."
	var text, markdown, html bytes.Buffer
	require.NoError(t, Text(&text, r, false))
	require.NoError(t, Markdown(&markdown, r))
	require.NoError(t, HTML(&html, r))
	for _, out := range []string{text.String(), markdown.String(), html.String()} {
		require.Contains(t, out, sentence)
	}
	data, err := json.Marshal(NewResult(r))
	require.NoError(t, err)
	require.Contains(t, string(data), `"declared":{"checks":2,"falsePass":0.03`)
	require.Contains(t, string(data), `"needed":8253,"intervals":[{"of":"v1","unit":"%","low":0.5}]`)

	r.Checks = r.Checks[:1]
	text.Reset()
	require.NoError(t, Text(&text, r, false))
	require.NotContains(t, text.String(), "Declared")
	require.Nil(t, NewResult(r).Declared)
}
