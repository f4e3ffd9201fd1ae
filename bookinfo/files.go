package bookinfo

import "embed"

// Files holds the App files (app.yaml, busy.app.yaml, backend.app.yaml, tcp-echo.app.yaml, variants.app.yaml), the Kubernetes documents
// they name (manifests/) and the well-known rule sets (rules/). An App file's paths are relative to the root.
//
//go:embed *.yaml manifests/*.yaml rules/*.yaml
var Files embed.FS
