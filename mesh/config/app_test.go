package config_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/bookinfo"
	"github.com/squallmesh/squall/mesh/config"
)

func TestEveryBookinfoAppParses(t *testing.T) {
	apps, err := fs.Glob(bookinfo.Files, "*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, apps)
	for _, name := range apps {
		app, problems := config.ParseApp(bookinfo.Files, name)
		require.Empty(t, problems.Text(), name)
		docs, problems := config.Parse(app.Manifests...)
		require.Empty(t, problems.Text(), name)
		for _, inst := range config.Instances(config.Set{}.With(docs...)) {
			require.NotEmpty(t, app.Run[inst.Owner].Command, inst.Owner)
		}
	}
	app, _ := config.ParseApp(bookinfo.Files, "app.yaml")
	require.Equal(t, "bookinfo", app.Name)
	require.Equal(t, "/login", app.Logins["jason"].Post)
	require.Equal(t, map[string]string{"username": "jason", "passwd": "jason"}, app.Logins["jason"].Form)
	require.Equal(t, []string{"{{.Squall}}", "bookinfo", "ratings", "--listen", "{{.Address}}:{{.Port}}"}, app.Run["ratings-v1"].Command)
}

func TestAppErrorsHavePlaces(t *testing.T) {
	fsys := fstest.MapFS{
		"apps/web.yaml": {Data: []byte(`apiVersion: squall.dev/v1
kind: App
metadata: {name: Web}
spec:
  manifests: [web-manifests.yaml, ../../etc/passwd, ok.yaml]
  run:
    wen: {comand: [x]}
  logins:
    ann: {form: {a: 1}}
`)},
		"apps/ok.yaml":           {Data: []byte("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n")},
		"apps/web-manifest.yaml": {Data: []byte("")},
	}
	app, problems := config.ParseApp(fsys, "apps/web.yaml")
	require.Equal(t, `apps/web.yaml:1:13: App has no version "squall.dev/v1" here [UNKNOWN-VERSION]
    say squall.dev/v1alpha1
apps/web.yaml:3:18: the name "Web" is not valid [BAD-NAME]
apps/web.yaml:5:15: the manifest "web-manifests.yaml" cannot be read: file does not exist [NO-FILE]
    did you mean web-manifest.yaml?
apps/web.yaml:5:35: "../../etc/passwd" lies outside of the App's folder [BAD-PATH]
apps/web.yaml:7:5: the workload wen needs a command [MISSING-FIELD]
apps/web.yaml:7:11: unknown field "comand" in run.wen [UNKNOWN-FIELD]
    did you mean command?
apps/web.yaml:9:5: a login needs post: the path that takes the form, such as /login [MISSING-FIELD]
apps/web.yaml:9:21: form.a must be a string, not the number 1 [WRONG-TYPE]
    put it into quotes: "1"`, problems.Text())
	require.Len(t, app.Manifests, 1)
	_, problems = config.ParseApp(fsys, "apps/none.yaml")
	require.Equal(t, "apps/none.yaml: the App file cannot be read: file does not exist [NO-FILE]", problems.Text())
}
