package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
)

// Nothing that a file holds may panic, and every finding has a code, a message and a place. To search longer:
//
//	go test ./mesh/config -run xxx -fuzz FuzzParse -fuzztime 10m -fuzzminimizetime 10x
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"valid", "invalid"} {
		files, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
		if err != nil || len(files) == 0 {
			f.Fatal(dir, err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add([]byte("a: &a [*a]\nkind: List\napiVersion: v1\nitems: &i [*i]\n"))
	f.Add([]byte("apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: a}\nspec: &s {selector: *s, <<: *s}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, problems := config.Parse(config.File{Name: "fuzz.yaml", Data: data})
		for _, p := range problems {
			if p.Code == "" || p.Message == "" || p.Pos.Line < 1 {
				t.Errorf("a finding without code, message or place: %#v", p)
			}
		}
		set := config.Set{}.With(docs...)
		config.Instances(set)
		config.Build(set, model.Snapshot{}, nil)
	})
}
