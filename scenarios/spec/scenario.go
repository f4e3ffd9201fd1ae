package spec

// Scenario is an experiment: an app, rules, load, what happens when, and what must hold.
type Scenario struct {
	// APIVersion is squall.dev/v1alpha1.
	APIVersion string `json:"apiVersion"`
	// Kind is Scenario.
	Kind string `json:"kind"`
	// Metadata names the scenario.
	Metadata Metadata `json:"metadata"`
	// Spec is its content.
	Spec Spec `json:"spec"`
}

// Metadata names a scenario.
type Metadata struct {
	// Name in reports and folders: lower-case letters, digits and dashes.
	Name string `json:"name"`
	// Tags by which runs pick scenarios.
	Tags []string `json:"tags,omitempty"`
}

// Spec is the content of a scenario.
type Spec struct {
	// Title is one sentence: what is shown.
	Title string `json:"title"`
	// App is a built-in app (bookinfo, bookinfo-variants, bookinfo-busy, backend, tcp-echo), or the path of an App file.
	App string `json:"app"`
	// Envoy sets how proxies are run.
	Envoy Envoy `json:"envoy,omitempty"`
	// Matrix runs the scenario once for each of its values; the first run keeps the scenario's name, the others add the value to it.
	Matrix *Matrix `json:"matrix,omitempty"`
	// Config lists Istio YAML: paths relative to the scenario, or documents inline.
	Config []Config `json:"config,omitempty"`
	// Warmup is how long load runs before t = 0, unjudged; 2s if unset. If no load starts at 0 it is 1s, and with profile exact nothing.
	Warmup *Duration `json:"warmup,omitempty"`
	// Load lists the streams of requests.
	Load []Load `json:"load"`
	// Timeline lists what happens, and when.
	Timeline []Item `json:"timeline,omitempty"`
	// Checks list what must hold.
	Checks []Check `json:"checks"`
	// Errors are the error rates of all checks with error rates together, by kind of error: what is left after those that state their
	// own is divided equally over the others. Without it each check has defaults of its own.
	Errors *Errors `json:"errors,omitempty"`
	// AbortIf stops the run, which then fails.
	AbortIf []Condition `json:"abortIf,omitempty"`
}

// Envoy sets how proxies are run.
type Envoy struct {
	// Profile is istio (default: Istio's own settings) or exact (one worker, no merge window).
	Profile string `json:"profile,omitempty"`
}

// Matrix is what a scenario is run with, one after the other.
type Matrix struct {
	// Profile lists profiles of Envoy, in place of envoy.profile; checks may be for one of them alone.
	Profile []string `json:"profile"`
}

// Load is one stream of requests.
type Load struct {
	// Name of the load, which checks use.
	Name string `json:"name"`
	// Rate of requests: 20/s, 300/m. The load is open: requests are due whether or not earlier ones are answered.
	Rate string `json:"rate"`
	// Duration from t = 0.
	Duration Duration `json:"duration"`
	// At is when the load starts, from t = 0. A load that starts later has no warm-up.
	At Duration `json:"at,omitempty"`
	// Pacing is constant (default) or poisson.
	Pacing string `json:"pacing,omitempty"`
	// Request that is sent.
	Request Request `json:"request"`
	// Timeout of a request; 30s if unset.
	Timeout Duration `json:"timeout,omitempty"`
	// Value is what to keep of each answer, to tell versions apart.
	Value *Value `json:"value,omitempty"`
	// Sampling says who decides which requests are traced: load (default) has all of them traced, whatever rules say; mesh leaves it to the
	// mesh's rules, as a browser does.
	Sampling string `json:"sampling,omitempty"`
}

// Who decides which requests of a load are traced.
const (
	SamplingLoad = "load"
	SamplingMesh = "mesh"
)

// keepsValues tells whether answers have a value: what Value names, or the status of a gRPC call.
func (l Load) keepsValues() bool { return l.Value != nil || l.Request.GRPC != "" }

// Request is what a load sends.
type Request struct {
	// Path, /productpage for instance. Required, but for grpc and tcp.
	Path string `json:"path,omitempty"`
	// TCP makes each request a connection of its own, on which the body is sent and the answer read to its end: a service's name and
	// port (tcp-echo:9000) together with from, or a port of the ingress gateway alone (":31400"). An answer counts as status 200.
	TCP string `json:"tcp,omitempty"`
	// GRPC makes each request a unary call of this method, such as /squall.Echo/Echo, over HTTP/2. The body is field 1 of its message, a
	// string, as in google.protobuf.StringValue and grpc.health.v1.HealthCheckRequest. A call succeeds if its grpc-status is 0; that status
	// is what the load keeps as its value unless it says otherwise.
	GRPC string `json:"grpc,omitempty"`
	// Method; GET if unset.
	Method string `json:"method,omitempty"`
	// Headers to send.
	Headers map[string]string `json:"headers,omitempty"`
	// Body to send.
	Body string `json:"body,omitempty"`
	// Host header; the gateway's address if unset.
	Host string `json:"host,omitempty"`
	// As is a login of the App file.
	As string `json:"as,omitempty"`
	// TLS calls the ingress gateway by TLS; plain text if unset.
	TLS *TLS `json:"tls,omitempty"`
	// From is a workload whose sidecar sends the requests to http://Host/Path; the ingress gateway takes them if unset.
	From string `json:"from,omitempty"`
}

// TLS is how a load speaks it. Credentials are Kubernetes Secrets among the scenario's own rules (spec.config) or the app's manifests.
type TLS struct {
	// Port of the gateway; 8443 if unset.
	Port uint32 `json:"port,omitempty"`
	// Trust is the Secret with the authorities (ca.crt) to which the server's certificate must lead. Its name must be the one that the load
	// asks for: the request's host. Required.
	Trust string `json:"trust"`
	// Present is the Secret with the certificate (tls.crt, tls.key) that is shown; none if unset.
	Present string `json:"present,omitempty"`
	// MaxVersion is 1.2 or 1.3; the newest if unset.
	MaxVersion string `json:"maxVersion,omitempty"`
	// Passthrough says that the gateway does not end TLS: it counts connections, and its log knows no requests.
	Passthrough bool `json:"passthrough,omitempty"`
	// Fresh makes a connection for each request.
	Fresh bool `json:"fresh,omitempty"`
}

// Value is what a load keeps of an answer: a header, the first group of a regular expression found in the body, or the server's certificate.
type Value struct {
	// Header of the answer that is kept.
	Header string `json:"header,omitempty"`
	// Body is a regular expression, whose first group is kept; empty if it is not found.
	Body string `json:"body,omitempty"`
	// Certificate is name (the common name) or serial (the number in hexadecimal digits), of the certificate that the server showed.
	Certificate string `json:"certificate,omitempty"`
}

// Item is something that happens. Exactly one of its actions is set.
type Item struct {
	// At is when, from t = 0.
	At Duration `json:"at"`
	// For is how long it lasts, where it lasts: a fault, a hold. Unset: to the end of the load.
	For Duration `json:"for,omitempty"`
	// Name of the phase that it opens. A phase lasts for For, or else until the next named item.
	Name string `json:"name,omitempty"`
	// When lets it happen once a condition holds, from At on, and not at all if it never does.
	When *Condition `json:"when,omitempty"`
	// Unless names phases of other items; if one has begun, this item does not happen.
	Unless []string `json:"unless,omitempty"`

	// Fault breaks something for a while.
	Fault *Fault `json:"fault,omitempty"`
	// Apply adds rules, or replaces those of the same kind, namespace and name.
	Apply []Config `json:"apply,omitempty"`
	// Delete takes rules away.
	Delete []Ref `json:"delete,omitempty"`
	// Hold keeps requests open at the built-in backend, for For.
	Hold *Hold `json:"hold,omitempty"`
	// Release lets held requests go.
	Release *Release `json:"release,omitempty"`
	// Script sets what the built-in backend answers; it ends with For.
	Script *Script `json:"script,omitempty"`
	// Restart ends and starts a workload again: "sidecar", "app" or "both".
	Restart *Process `json:"restart,omitempty"`
	// Scale adds instances to a Deployment or takes some away, in good order; with For, the former number comes back.
	Scale *Scale `json:"scale,omitempty"`
}

// Scale is how many instances a Deployment shall have.
type Scale struct {
	// Workload is the Deployment.
	Workload string `json:"workload"`
	// Replicas that shall run, from 0 to 100.
	Replicas int `json:"replicas"`
}

// Ref names a rule.
type Ref struct {
	// Kind, VirtualService for instance.
	Kind string `json:"kind"`
	// Name of the rule.
	Name string `json:"name"`
	// Namespace; default if unset.
	Namespace string `json:"namespace,omitempty"`
}

// Match picks requests at the backend. Unset fields match everything.
type Match struct {
	// Workload is the backend's Deployment; all of them if unset.
	Workload string `json:"workload,omitempty"`
	// Port is http, http2, grpc or tcp.
	Port string `json:"port,omitempty"`
	// PathPrefix is what the path begins with.
	PathPrefix string `json:"pathPrefix,omitempty"`
	// Headers that the request must have, with these values.
	Headers map[string]string `json:"headers,omitempty"`
}

// Hold keeps requests open.
type Hold struct{ Match }

// Release lets held requests go.
type Release struct {
	// Workload is the backend's Deployment; all of them if unset.
	Workload string `json:"workload,omitempty"`
	// Count of requests, oldest first; all, and the end of holding, if unset.
	Count *int `json:"count,omitempty"`
}

// Script is what the backend answers to requests that match, one outcome per attempt; the last one repeats.
type Script struct {
	Match
	// Outcomes of the attempts of one request, in order.
	Outcomes []Outcome `json:"outcomes"`
	// Workers is how many of these requests are worked on at a time, each for the delay of its outcome; the others wait in line, and are
	// worked on even if their callers have left. Unset: any number, and no line.
	Workers int `json:"workers,omitempty"`
}

// Outcome is one scripted answer.
type Outcome struct {
	// Status of the answer; 200 if unset.
	Status int `json:"status,omitempty"`
	// GRPCStatus of the answer to a gRPC call, from 1 to 16; 0 if unset.
	GRPCStatus uint32 `json:"grpcStatus,omitempty"`
	// Header fields of the answer.
	Header map[string]string `json:"headers,omitempty"`
	// Body of the answer.
	Body string `json:"body,omitempty"`
	// Delay before the answer.
	Delay Duration `json:"delay,omitempty"`
	// End is answer (default), reset, close or hang.
	End string `json:"end,omitempty"`
}

// Condition is what must be so for a while, for a guard rail to end the run or for an item to happen.
type Condition struct {
	// Load that is watched.
	Load string `json:"load"`
	// Success bounds the share of answers below 500, among those of the last second.
	Success Bound `json:"success"`
	// For is how long it must be so.
	For Duration `json:"for"`
}
