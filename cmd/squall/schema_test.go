package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

// value reads YAML as a validator of JSON has it.
func value(t *testing.T, text string) any {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v))
	data, err := json.Marshal(stringKeys(v))
	require.NoError(t, err)
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	require.NoError(t, err)
	return out
}

// stringKeys makes text of the keys that YAML reads as numbers: {200: "100%"}.
func stringKeys(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			v[k] = stringKeys(e)
		}
	case map[any]any:
		out := map[string]any{}
		for k, e := range v {
			text, _ := yaml.Marshal(k)
			out[strings.TrimSpace(string(text))] = stringKeys(e)
		}
		return out
	case []any:
		for i, e := range v {
			v[i] = stringKeys(e)
		}
	}
	return v
}

func TestSchema(t *testing.T) {
	var out bytes.Buffer
	env := &environment{args: []string{"schema", "scenario"}, stdout: &out, stderr: &out}
	require.Zero(t, run(env), "%s", &out)
	doc, err := jsonschema.UnmarshalJSON(&out)
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	require.NoError(t, c.AddResource("scenario.json", doc))
	schema, err := c.Compile("scenario.json")
	require.NoError(t, err)

	found, err := filepath.Glob("../../scenarios/catalog/*/scenario.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for _, path := range found {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, schema.Validate(value(t, string(data))), path)
	}
	for _, k := range checkExamples() {
		require.NoError(t, schema.Validate(value(t, exampleScenario("", k.text))), k.text)
	}
	for _, k := range faultExamples() {
		require.NoError(t, schema.Validate(value(t, exampleScenario(k.text, ""))), k.text)
	}
	sound := exampleScenario(`{at: 1s, fault: {abort: {to: ratings, status: 503}}}`, `{name: fast, load: readers, p99: "< 500ms"}`)
	require.NoError(t, schema.Validate(value(t, sound)))
	for _, c := range [][2]string{
		{"title:", "titel:"},
		{"rate: 20/s", "speed: 20/s"},
		{"p99:", "p98:"},
		{"to: ratings", "two: ratings"},
		{"kind: Scenario", "kind: App"},
		{"v1alpha1", "v1"},
		{"name: readers, ", ""},
		{"status: 503", "status: often"},
		{`"< 500ms"`, `"fast"`},
		{"duration: 6s", "duration: soon"},
	} {
		require.Contains(t, sound, c[0])
		require.Error(t, schema.Validate(value(t, strings.Replace(sound, c[0], c[1], 1))), "%s for %s", c[1], c[0])
	}

	out.Reset()
	env.args = []string{"schema", "nothing"}
	require.Equal(t, exitInvalid, run(env))
}
