package kind

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/squallmesh/squall/mesh/platform/kind/inject"
	"github.com/squallmesh/squall/mesh/registry/kube"
)

// chartSecrets stand for secrets in the objects from which a chart is made. replace has them as they are written, each before the template that
// takes its place.
func chartSecrets() (s secrets, replace []string) {
	s = secrets{webhook: pair{chain: []byte("(chain)"), key: []byte("(key)"), root: []byte("(root)")}, token: "(token)"}
	for key, value := range s.webhook.secret().Data {
		replace = append(replace, base64.StdEncoding.EncodeToString(value), fmt.Sprintf("{{ index $webhook %q }}", key))
	}
	return s, append(replace, s.token, "{{ $token | quote }}") // it is text, in the Secret's stringData
}

// chartHead makes the secrets of a release: those that are in the cluster, or new ones.
var chartHead = fmt.Sprintf(`{{- /* The secrets are made once: what is in the cluster stays. */ -}}
{{- $authority := genCA "%[1]s" 3650 -}}
{{- $made := genSignedCert "%[2]s" nil (list "%[2]s") %[3]d $authority -}}
{{- $webhook := dict "%[4]s" (b64enc $made.Cert) "%[5]s" (b64enc $made.Key) "%[6]s" (b64enc $authority.Cert) -}}
{{- with lookup "v1" "Secret" "%[1]s" "%[7]s" }}{{ $webhook = .data }}{{ end -}}
{{- $token := randAlphaNum 64 -}}
{{- with lookup "v1" "Secret" "%[1]s" "%[8]s" }}{{ $token = b64dec (index .data "%[9]s") }}{{ end -}}
`, systemNamespace, webhookHost, int(webhookTTL.Hours()/24), core.TLSCertKey, core.TLSPrivateKeyKey, rootKey, webhookSecret, inject.TokenSecret, inject.TokenKey)

// Chart writes a chart for Helm into a folder, which must be empty or not there. Its release belongs into the namespace istio-system.
func (m Manifests) Chart(dir, version string) error {
	if there, err := os.ReadDir(dir); err == nil && len(there) > 0 {
		return fmt.Errorf("%s is not empty", dir)
	}
	s, replace := chartSecrets()
	objects, err := m.objects(s)
	if err != nil {
		return err
	}
	templates := strings.NewReplacer(append(replace, m.Image, "{{ .Values.image }}")...)
	var release strings.Builder
	release.WriteString(chartHead)
	for _, o := range objects {
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			return err
		}
		release.WriteString("---\n" + templates.Replace(string(text)))
	}
	files := map[string]string{
		"Chart.yaml":            fmt.Sprintf("apiVersion: v2\nname: squall\ndescription: What squall keeps in a cluster between labs\ntype: application\nversion: %s\nkubeVersion: '>=1.29.0-0'\n", version),
		"values.yaml":           fmt.Sprintf("# The image of the control plane's pod and of sidecars. Labs of another build of squall replace the pod.\nimage: %s\n", m.Image),
		"templates/squall.yaml": release.String(),
	}
	for _, d := range kube.Definitions() {
		text, err := yaml.Marshal(d.Object)
		if err != nil {
			return err
		}
		files["crds/"+d.GetName()+".yaml"] = string(text)
	}
	var errs []error
	for name, text := range files {
		to := filepath.Join(dir, filepath.FromSlash(name))
		errs = append(errs, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(text), 0o644)) //nolint:gosec // no secret is in it
	}
	return errors.Join(errs...)
}
