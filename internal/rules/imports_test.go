package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/squallmesh/squall"

// pkg is what `go list` tells of a package. Dir and files are ours only where Standard is false and Name lies in module.
type pkg struct {
	ImportPath string
	Dir        string
	Standard   bool
	Imports    []string
	Deps       []string
}

// name is the path inside the module, or "" for others' packages; the root is ".".
func (p pkg) name() string {
	if p.ImportPath == module {
		return "."
	}
	name, ok := strings.CutPrefix(p.ImportPath, module+"/")
	if !ok {
		return ""
	}
	return name
}

// within says whether a path of the module lies in one of the folders.
func within(name string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return name == f || strings.HasPrefix(name, f+"/") })
}

// load lists all packages that the module needs.
func load(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Dir,Standard,Imports,Deps", "./...")
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s: %s", cmd, &stderr)
	all := map[string]pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		all[p.ImportPath] = p
	}
	require.Contains(t, all, module+"/mesh", "go list found no package of squall")
	return all
}

// rule is one line of ARCHITECTURE.md's import rules. It says why an import of a package of ours is wrong, or "".
type rule struct {
	name  string
	wrong func(from, to string, all map[string]pkg) string
}

// protobufUsers may know protobuf.
var protobufUsers = []string{"mesh/config", "mesh/xds", "mesh/envoy", "mesh/telemetry", "mesh/policy", "mesh/ca"}

var rules = []rule{
	{"1: the data flows one way", func(from, to string, _ map[string]pkg) string {
		ours, ok := strings.CutPrefix(to, module+"/")
		if !ok {
			return ""
		}
		for _, r := range []struct {
			folder string
			may    []string
		}{
			{"loadgen", []string{"loadgen"}},
			{"bookinfo", []string{"bookinfo"}},
			{"mesh", []string{"mesh"}},
			{"scenarios", []string{"scenarios", "mesh", "loadgen", "bookinfo"}},
			{"reports", []string{"reports", "scenarios/record", "scenarios/spec", "loadgen", "mesh/telemetry", "mesh/diag"}},
			{"cmd", []string{"cmd", "reports", "scenarios", "mesh", "loadgen", "bookinfo"}},
		} {
			if within(from, r.folder) && !within(ours, r.may...) {
				return fmt.Sprintf("%s may import only %s", r.folder, strings.Join(r.may, ", "))
			}
		}
		return ""
	}},
	{"2: protobuf and Kubernetes stay where they are decoded", func(from, to string, _ map[string]pkg) string {
		switch {
		case within(to, "google.golang.org/protobuf", "github.com/envoyproxy/go-control-plane", "istio.io/api"):
			if within(from, protobufUsers...) {
				return ""
			}
			return "protobuf stays in " + strings.Join(protobufUsers, ", ")
		case within(to, "k8s.io/client-go", "istio.io/client-go"):
			if !within(from, "mesh/registry/kube", "mesh/platform/kind", "mesh/platform/kube") {
				return "Kubernetes clients stay in mesh/registry/kube and mesh/platform/{kind,kube}"
			}
		case within(to, "k8s.io/api", "k8s.io/apimachinery"):
			if !within(from, "mesh/config", "mesh/registry/kube", "mesh/platform/kind", "mesh/platform/kube") {
				return "Kubernetes' types stay where they are decoded: mesh/config"
			}
		}
		return ""
	}},
	{"2: the model needs the standard library and mesh/diag only", func(from, to string, all map[string]pkg) string {
		if within(from, "mesh/model") && !all[to].Standard && to != module+"/mesh/diag" && !within(to, module+"/mesh/model") {
			return "mesh/model imports the standard library and mesh/diag only"
		}
		return ""
	}},
	{"3: the pure set does not touch the world", func(from, to string, _ map[string]pkg) string {
		if within(from, pure...) && slices.Contains([]string{"os", "os/exec", "os/signal", "net", "net/http", "syscall", "math/rand", "crypto/rand"}, to) {
			return "it is pure: no files, sockets, processes or global random numbers"
		}
		return ""
	}},
}

// exceptions are single imports that a rule forbids and that are there all the same, with the reason. ARCHITECTURE.md admits them.
var exceptions = map[[2]string]string{
	{"mesh", "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"}:        "hands a proxy's node from the server to its status",
	{"cmd/squall", "github.com/envoyproxy/go-control-plane/envoy/admin/v3"}:        "bench reads what an Envoy says that it has",
	{"cmd/squall", "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"}: "bench reads what an Envoy says that it has",
}

func TestImports(t *testing.T) {
	all := load(t)
	for e, reason := range exceptions {
		require.Contains(t, all[module+"/"+e[0]].Imports, e[1], "%s imports it no more: delete the exception (%s)", e[0], reason)
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, p := range all {
				from := p.name()
				if from == "" || from == "internal/tmpdeps" {
					continue
				}
				for _, to := range p.Imports {
					if why := r.wrong(from, to, all); why != "" && exceptions[[2]string{from, to}] == "" {
						t.Errorf("%s imports %s: %s", from, to, why)
					}
				}
			}
		})
	}
}

// The rules must be able to fail: a rule that holds for everything holds nothing.
func TestRulesCanFail(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"loadgen", module + "/mesh/model"},
		{"mesh/xds/serve", module + "/scenarios/record"},
		{"reports", module + "/mesh"},
		{"scenarios/live", module + "/cmd/squall"},
		{"scenarios/assert", "google.golang.org/protobuf/proto"},
		{"mesh/config", "k8s.io/client-go/kubernetes"},
		{"mesh/xds/serve", "k8s.io/api/core/v1"},
		{"mesh/model", "gopkg.in/yaml.v3"},
		{"mesh/xds/translate", "net"},
	} {
		found := slices.ContainsFunc(rules, func(r rule) bool { return r.wrong(c.from, c.to, map[string]pkg{}) != "" })
		require.True(t, found, "no rule forbids that %s imports %s", c.from, c.to)
	}
}

// pure packages give the same output for the same input.
var pure = []string{"mesh/model", "mesh/xds/translate", "mesh/policy/authz", "mesh/policy/jwt", "loadgen/pace", "scenarios/plan", "scenarios/stat", "scenarios/calibrate", "scenarios/assert", "mesh/sim"}

// impure are the names of imported packages' functions that read a clock, wait, or draw from the global source of random numbers.
var impure = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	"math/rand/v2": {
		"Int", "IntN", "Int32", "Int32N", "Int64", "Int64N", "Uint", "UintN", "Uint32", "Uint32N", "Uint64", "Uint64N",
		"Float32", "Float64", "NormFloat64", "ExpFloat64", "Perm", "Shuffle", "N",
	},
}

// outside are the names of package os that only cmd uses.
var outside = []string{"Args", "Getenv", "LookupEnv", "Environ", "Stdin", "Stdout", "Stderr", "Exit"}

// TestSources reads every source file, those for other systems too: what go list leaves out is read as well.
func TestSources(t *testing.T) {
	for _, p := range load(t) {
		name := p.name()
		if name == "" || name == "internal/tmpdeps" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, problem := range scan(f, within(name, pure...), within(name, "cmd")) {
				t.Errorf("%s: %s", set.Position(problem.pos), problem.what)
			}
		}
	}
}

type problem struct {
	pos  token.Pos
	what string
}

// scan finds what rules 3 and 4 forbid in a file.
func scan(f *ast.File, isPure, isCmd bool) []problem {
	imported := map[string]string{} // local name to path
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			continue
		}
		local := path[strings.LastIndex(path, "/")+1:]
		if path == "math/rand/v2" {
			local = "rand"
		}
		if i.Name != nil {
			local = i.Name.Name
		}
		imported[local] = path
	}
	var out []problem
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && n.Name.Name == "init" {
				out = append(out, problem{n.Pos(), "init(): rule 4 wants an explicit All()"})
			}
		case *ast.GoStmt:
			if isPure {
				out = append(out, problem{n.Pos(), "a goroutine in a pure package (rule 3)"})
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				return true
			}
			path := imported[x.Name]
			if isPure && slices.Contains(impure[path], n.Sel.Name) {
				out = append(out, problem{n.Pos(), x.Name + "." + n.Sel.Name + " in a pure package (rule 3)"})
			}
			if !isCmd && path == "os" && slices.Contains(outside, n.Sel.Name) {
				out = append(out, problem{n.Pos(), "os." + n.Sel.Name + " outside cmd (rule 4)"})
			}
		}
		return true
	})
	return out
}

func TestScanFinds(t *testing.T) {
	const source = `package p
import ("os"; "time"; r "math/rand/v2")
func init() { go f() }
func f() { _ = time.Now(); _ = r.IntN(3); _ = os.Getenv("X"); _ = r.New(nil); _ = time.Second }
`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", source, parser.SkipObjectResolution)
	require.NoError(t, err)
	require.Len(t, scan(f, true, false), 5)
	require.Len(t, scan(f, false, true), 1)
}
