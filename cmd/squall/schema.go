package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/squallmesh/squall/scenarios/spec"
)

func newSchemaCommand(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "schema scenario",
		Short: "Print the JSON schema of scenario files, for editors",
		Long: `Print the JSON schema (2020-12) of scenario files. Editors complete and check with it:

  # yaml-language-server: $schema=scenario.schema.json

Exit codes: 0, 3 for a format that has no schema.`,
		Example:   "  squall schema scenario > scenario.schema.json",
		ValidArgs: []string{"scenario"}, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] != "scenario" {
				return invalid(fmt.Errorf("there is no schema of %q; there is one of: scenario", args[0]))
			}
			schema, err := scenarioSchema()
			if err != nil {
				return err
			}
			e := json.NewEncoder(env.stdout)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			return e.Encode(schema)
		},
	}
}

// typeDoc is what comments say of a type and of its fields, by their Go names.
type typeDoc struct {
	text   string
	fields map[string]string
}

// specDocs reads the comments of the scenario format.
func specDocs() (map[string]typeDoc, error) {
	files, err := spec.Source.ReadDir(".")
	if err != nil {
		return nil, err
	}
	out := map[string]typeDoc{}
	for _, f := range files {
		source, err := spec.Source.ReadFile(f.Name())
		if err != nil {
			return nil, err
		}
		if err := typeDocs(f.Name(), source, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func typeDocs(name string, source []byte, out map[string]typeDoc) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ParseComments)
	if err != nil {
		return err
	}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, s := range gen.Specs {
			t, ok := s.(*ast.TypeSpec)
			if !ok {
				continue
			}
			d := typeDoc{text: flat(gen.Doc.Text()), fields: map[string]string{}}
			if fields, ok := t.Type.(*ast.StructType); ok {
				for _, f := range fields.Fields.List {
					for _, name := range f.Names {
						d.fields[name.Name] = flat(f.Doc.Text())
					}
				}
			}
			out[t.Name.Name] = d
		}
	}
	return nil
}

func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

// field is a field of a format as files have it.
type field struct {
	name, doc string
	typ       reflect.Type
	required  bool
}

// fieldsOf lists a type's fields, those of embedded types in their place.
func fieldsOf(t reflect.Type, docs map[string]typeDoc) []field {
	var out []field
	for f := range t.Fields() {
		if f.Anonymous {
			out = append(out, fieldsOf(f.Type, docs)...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		out = append(out, field{
			name: name, doc: docs[t.Name()].fields[f.Name], typ: f.Type,
			required: !strings.Contains(options, "omitempty"),
		})
	}
	return out
}

func scenarioSchema() (map[string]any, error) {
	docs, err := specDocs()
	if err != nil {
		return nil, err
	}
	s := schemaMaker{docs: docs, defs: map[string]any{}}
	root := s.structure(reflect.TypeFor[spec.Scenario]())
	properties := root["properties"].(map[string]any)
	properties["apiVersion"] = map[string]any{"const": spec.Version}
	properties["kind"] = map[string]any{"const": "Scenario"}
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "A scenario of squall"
	root["$defs"] = s.defs
	return root, nil
}

type schemaMaker struct {
	docs map[string]typeDoc
	defs map[string]any
}

func (s *schemaMaker) structure(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range fieldsOf(t, s.docs) {
		p := s.of(f.typ)
		if f.doc != "" {
			p["description"] = f.doc
		}
		properties[f.name] = p
		if f.required && f.name != "title" {
			required = append(required, f.name)
		}
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	if d := s.docs[t.Name()].text; d != "" {
		out["description"] = d
	}
	return out
}

// of gives the schema of a type. Texts may be written as numbers (a bound of 12, a header of 1), as YAML has it.
func (s *schemaMaker) of(t reflect.Type) map[string]any {
	switch t {
	case reflect.TypeFor[spec.Duration]():
		return map[string]any{"type": []string{"string", "number"}, "pattern": `^(0|([0-9]*\.?[0-9]+(ns|us|µs|ms|s|m|h))+)$`, "examples": []string{"500ms", "10s"}}
	case reflect.TypeFor[spec.Bound]():
		return map[string]any{
			"type": []string{"string", "number"}, "pattern": `^\s*(==|!=|>=|<=|>|<)?\s*[-+0-9.]`,
			"examples": []string{">= 99.9%", "< 200ms", "== 8"},
		}
	case reflect.TypeFor[spec.ByteRate]():
		return map[string]any{"type": "string", "pattern": `^[0-9.]+ *(B|kB|KB|KiB|MB|MiB)/s$`, "examples": []string{"64kB/s"}}
	case reflect.TypeFor[spec.Config]():
		return map[string]any{"type": []string{"string", "object"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.of(t.Elem())
	case reflect.Struct:
		if _, ok := s.defs[t.Name()]; !ok {
			s.defs[t.Name()] = nil // a type that holds itself ends here
			s.defs[t.Name()] = s.structure(t)
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	default:
		return map[string]any{"type": []string{"string", "number", "boolean"}}
	}
}
