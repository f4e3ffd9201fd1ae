package config

import (
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/squallmesh/squall/mesh/diag"
)

// AppVersion is the apiVersion of App files.
const AppVersion = "squall.dev/v1alpha1"

// App is an application: its Kubernetes documents, and what they cannot say.
type App struct {
	Name string
	// Manifests are the documents' files, as they are.
	Manifests []File
	// Run says how a workload runs on the local platform, by the Deployment's name.
	Run map[string]Run
	// Logins are recipes for loads that act as a user, by the user's name.
	Logins map[string]Login
	// Pos is where the App starts.
	Pos diag.Pos
}

// Run is how one workload runs as a process.
type Run struct {
	// Command and its arguments, each a text/template over what the platform knows ({{.Address}} {{.Port}}). Never empty.
	Command []string
	// Env is set on top of the Deployment's own variables; values are templates too.
	Env map[string]string
	// Dir is the working directory, relative to the App file; empty takes the App file's own.
	Dir string
	Pos diag.Pos
}

// Login is a form that is posted once; the cookies of the answer are sent with each request.
type Login struct {
	// Post is the path that takes the form.
	Post string
	Form map[string]string
	Pos  diag.Pos
}

// appFile is the form of an App document.
type appFile struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
	Spec       struct {
		Manifests []string           `json:"manifests"`
		Run       map[string]appRun  `json:"run"`
		Logins    map[string]appForm `json:"logins"`
	} `json:"spec"`
}

type appRun struct {
	Command []string          `json:"command"`
	Env     map[string]string `json:"env"`
	Dir     string            `json:"dir"`
}

type appForm struct {
	Post string            `json:"post"`
	Form map[string]string `json:"form"`
}

// ParseApp reads an App file and the manifests that it names, whose paths are relative to it and stay inside of fsys. The
// manifests themselves are left to Parse. With errors among the findings the App may be nil or incomplete.
func ParseApp(fsys fs.FS, name string) (*App, diag.List) {
	var diags diag.List
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		diags.Errorf("NO-FILE", diag.Pos{File: name}, "the App file cannot be read: %v", cause(err))
		return nil, diags
	}
	roots := nodes(File{Name: name, Data: data}, &diags)
	if len(roots) != 1 {
		if !diags.HasErrors() {
			diags.Errorf("BAD-APP", diag.Pos{File: name, Line: 1}, "an App file holds one document, not %d", len(roots))
		}
		return nil, diags
	}
	d := &decoder{file: name, places: places{}, diags: &diags}
	var in appFile
	d.into(roots[0], reflect.ValueOf(&in).Elem(), "", "App")
	a := &appReader{
		reporter: reporter{doc: &Document{Kind: "App", Name: in.Metadata.Name, Pos: d.pos(roots[0]), places: d.places, broken: d.broken}, diags: &diags},
		fsys:     fsys, dir: path.Dir(name),
	}
	app := a.read(in)
	return app, finished(diags)
}

type appReader struct {
	reporter
	fsys fs.FS
	dir  string
}

func (a *appReader) read(in appFile) *App {
	switch {
	case in.Kind == "":
		a.missing("kind", "the document has no kind")
		a.hint("say kind: App")
	case in.Kind != "App":
		a.errorf("UNKNOWN-KIND", "kind", "this is a %s, not an App", shorten(in.Kind))
	}
	switch {
	case in.APIVersion == "":
		a.missing("apiVersion", "the document has no apiVersion")
		a.hint("say apiVersion: %s", AppVersion)
	case in.APIVersion != AppVersion:
		a.errorf("UNKNOWN-VERSION", "apiVersion", "App has no version %q here", shorten(in.APIVersion))
		a.hint("say %s", AppVersion)
	}
	app := &App{Name: in.Metadata.Name, Pos: a.doc.Pos, Run: map[string]Run{}, Logins: map[string]Login{}}
	switch {
	case app.Name == "":
		a.missing("metadata.name", "the App has no name")
	case !namespaceName.MatchString(app.Name):
		a.errorf("BAD-NAME", "metadata.name", "the name %q is not valid", shorten(app.Name))
	}
	if len(in.Spec.Manifests) == 0 {
		a.missing("spec.manifests", "an App needs manifests")
	}
	a.manifests(app, in.Spec.Manifests)
	a.runs(app, in.Spec.Run)
	for _, user := range slices.Sorted(maps.Keys(in.Spec.Logins)) {
		p := joinPath("spec.logins", user)
		form := in.Spec.Logins[user]
		if !strings.HasPrefix(form.Post, "/") {
			a.missing(p+".post", "a login needs post: the path that takes the form, such as /login")
		}
		app.Logins[user] = Login{Post: form.Post, Form: form.Form, Pos: a.pos(p)}
	}
	return app
}

func (a *appReader) manifests(app *App, names []string) {
	seen := map[string]bool{}
	for i, m := range names {
		p := at("spec.manifests", i)
		if m == "" && a.doc.damaged(p) {
			continue
		}
		full := path.Join(a.dir, m)
		switch {
		case path.IsAbs(m) || !fs.ValidPath(full):
			a.errorf("BAD-PATH", p, "%q lies outside of the App's folder", shorten(m))
			continue
		case seen[full]:
			a.errorf("DUPLICATE-NAME", p, "the manifest %q is named twice", m)
			continue
		}
		seen[full] = true
		data, err := fs.ReadFile(a.fsys, full)
		if err != nil {
			a.errorf("NO-FILE", p, "the manifest %q cannot be read: %v", shorten(m), cause(err))
			if entries, err := fs.Glob(a.fsys, path.Join(path.Dir(full), "*.yaml")); err == nil {
				if near := nearest(full, entries); near != "" {
					a.hint("did you mean %s?", strings.TrimPrefix(near, a.dir+"/"))
				}
			}
			continue
		}
		app.Manifests = append(app.Manifests, File{Name: full, Data: data})
	}
}

func (a *appReader) runs(app *App, in map[string]appRun) {
	deployments, readable := a.deployments(app)
	for _, name := range slices.Sorted(maps.Keys(in)) {
		p := joinPath("spec.run", name)
		r := in[name]
		if len(r.Command) == 0 || r.Command[0] == "" {
			a.missing(p+".command", "the workload %s needs a command", name)
		}
		if readable && !slices.Contains(deployments, name) {
			a.errorf("UNKNOWN-WORKLOAD", p, "no Deployment of the manifests is called %q", shorten(name))
			a.hint("%s", DidYouMean(name, deployments))
		}
		app.Run[name] = Run{Command: r.Command, Env: r.Env, Dir: r.Dir, Pos: a.pos(p)}
	}
}

// deployments names the manifests' Deployments, and says whether all could be read; what is wrong with them is left to Parse.
func (a *appReader) deployments(app *App) ([]string, bool) {
	docs, problems := Parse(app.Manifests...)
	var out []string
	for _, d := range docs {
		if d.Kind == kindDeployment {
			out = append(out, d.Name)
		}
	}
	slices.Sort(out)
	return out, !problems.HasErrors() && !a.doc.damaged("spec.manifests") && !a.diags.HasErrors()
}

// cause takes the operation and the path off an error of a file system: the message names them already.
func cause(err error) error {
	if pe, ok := err.(*fs.PathError); ok { //nolint:errorlint // only the outermost is peeled
		return pe.Err
	}
	return err
}
