package virtual

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/squallmesh/squall/bookinfo/backend"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/scenarios/spec"
)

// code of all that is refused.
const code = "NOT-SIMULATED"

// refusal finds what the simulator does not model.
type refusal struct {
	file *spec.File
	app  *config.App
	list diag.List
	seen map[string]bool
}

// Refused says what of a scenario the simulator does not model, each at its place. A scenario of which nothing is refused runs as its file
// says; it never runs with a part left out.
func Refused(f *spec.File, app *config.App) diag.List {
	r := &refusal{file: f, app: app, seen: map[string]bool{}}
	r.apps()
	r.loads()
	for i, item := range f.Spec.Timeline {
		r.item(fmt.Sprintf("spec.timeline[%d]", i), item)
	}
	for i, c := range f.Spec.Checks {
		r.check(fmt.Sprintf("spec.checks[%d]", i), c)
	}
	r.rules()
	return r.list
}

// at refuses something of the scenario.
func (r *refusal) at(path, format string, args ...any) { r.pos(r.file.Where(path), format, args...) }

// pos refuses something at its place, once.
func (r *refusal) pos(pos diag.Pos, format string, args ...any) {
	text := fmt.Sprintf(format, args...) + " is not simulated"
	if key := pos.String() + text; !r.seen[key] {
		r.seen[key] = true
		r.list.Errorf(code, pos, "%s", text)
		r.list.Hint("run it without --sim")
	}
}

// roles are the built-in apps that the simulator knows, with the values of variables that it models.
var roles = map[string]func(env map[string]string) string{
	"backend": func(env map[string]string) string {
		if env["TLS_CERTIFICATE"] != "" {
			return "a backend that serves TLS"
		}
		return ""
	},
	"tcp-echo": func(map[string]string) string { return "" },
	"reviews":  func(map[string]string) string { return "" },
	"details": func(env map[string]string) string {
		if env["ENABLE_EXTERNAL_BOOK_SERVICE"] == "true" {
			return "details with an external book service"
		}
		return ""
	},
	"productpage": func(env map[string]string) string {
		if env["FLOOD_FACTOR"] != "" && env["FLOOD_FACTOR"] != "0" {
			return "a flooding productpage"
		}
		return ""
	},
	"ratings": func(env map[string]string) string {
		if v := env["SERVICE_VERSION"]; v != "" && v != "v1" {
			return "ratings " + v
		}
		return ""
	},
}

func (r *refusal) apps() {
	docs, problems := config.Parse(r.app.Manifests...)
	if problems.HasErrors() {
		return // reported elsewhere
	}
	for _, t := range config.Templates(config.Set{}.With(docs...)) {
		run, ok := r.app.Run[t.Owner]
		if !ok {
			r.pos(t.Pos, "the Deployment %s, which the App file does not run", t.Owner)
			continue
		}
		if t.CertificateTTL > 0 {
			r.pos(t.Pos, "the lifetime of certificates (SECRET_TTL)")
		}
		role := roleOf(r.app, t.Owner)
		check, known := roles[role]
		if !known || len(run.Env) > 0 {
			r.pos(run.Pos, "a program of one's own (%s)", t.Owner)
			continue
		}
		if what := check(t.Env); what != "" {
			r.pos(t.Pos, "%s", what)
		}
		if role == "backend" && !slices.Equal(run.Command[3:], []string{"--listen", "{{.Address}}", "--control", "{{.ControlSocket}}"}) {
			r.pos(run.Pos, "a backend with ports of its own (%s)", t.Owner)
		}
	}
}

// oddPath finds paths that Envoy would change before it matches them.
var oddPath = regexp.MustCompile(`//|/\.|%|#|\\`)

// own are headers that proxies or connections give a meaning.
var ownHeader = regexp.MustCompile(`(?i)^(x-envoy-.*|x-b3-.*|x-request-id|x-forwarded-.*|traceparent|tracestate|b3|content-length|transfer-encoding|upgrade|expect|te)$`)

// told are headers of answers by which a QuotaPolicy tells what is left.
var told = regexp.MustCompile(`(?i)^(x-ratelimit-.*|retry-after)$`)

func (r *refusal) loads() {
	for _, name := range r.file.AnswerHeaders() {
		if told.MatchString(name) {
			r.at("spec.checks", "the header %s of answers", name)
		}
	}
	for i, l := range r.file.Spec.Load {
		at := fmt.Sprintf("spec.load[%d].request", i)
		if v := l.Value; v != nil && told.MatchString(v.Header) {
			r.at(fmt.Sprintf("spec.load[%d].value.header", i), "the header %s of answers", v.Header)
		}
		q := l.Request
		if q.TLS != nil {
			r.at(at+".tls", "TLS")
			continue
		}
		if q.TCP != "" {
			if q.From != "" {
				r.at(at+".tcp", "TCP from a workload")
			}
			if strings.Count(strings.TrimRight(q.Body, "\n"), "\n") > 0 {
				r.at(at+".body", "more than one line over TCP")
			}
			continue
		}
		if l.Sampling == spec.SamplingMesh {
			r.at(fmt.Sprintf("spec.load[%d].sampling", i), "sampling by the mesh")
		}
		if oddPath.MatchString(q.Path) {
			r.at(at+".path", "a path that Envoy would normalise (%s)", q.Path)
		}
		for _, name := range slices.Sorted(maps.Keys(q.Headers)) {
			switch {
			case ownHeader.MatchString(name):
				r.at(at+".headers."+name, "a load that sends the header %s", name)
			case strings.EqualFold(name, "connection") && !strings.EqualFold(q.Headers[name], "close"):
				r.at(at+".headers."+name, "the header connection: %s", q.Headers[name])
			}
		}
	}
}

func (r *refusal) item(at string, item spec.Item) {
	if f := item.Fault; f != nil {
		switch kind, n := f.NetworkKind(); {
		case f.DNS != "":
			r.at(at+".fault.dns", "a failing name server")
		case f.Pause != nil && f.Pause.Target != "" && f.Pause.Target != "app":
			r.at(at+".fault.pause.target", "pausing a proxy")
		case n != nil && kind != "latency" && kind != "stall" && kind != "reset":
			r.at(at+".fault."+kind, "a %s", kind)
		}
	}
	if s := item.Script; s != nil {
		r.match(at+".script", s.Match)
		for i, o := range s.Outcomes {
			if breaks := o.End == "reset" || o.End == "close"; breaks && r.http2(s.Port) {
				r.at(fmt.Sprintf("%s.script.outcomes[%d].end", at, i), "%s over HTTP/2", o.End)
			}
		}
	}
	if h := item.Hold; h != nil {
		r.match(at+".hold", h.Match)
	}
}

// http2 tells whether a script for a port of the backend may meet requests over HTTP/2.
func (r *refusal) http2(port string) bool {
	return port == backend.HTTP2 || port == backend.GRPC ||
		port == "" && slices.ContainsFunc(r.file.Spec.Load, func(l spec.Load) bool { return l.Request.GRPC != "" })
}

func (r *refusal) match(at string, m spec.Match) {
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		if ownHeader.MatchString(name) && !strings.EqualFold(name, "x-envoy-attempt-count") {
			r.at(at+".headers."+name, "a backend that looks at the header %s", name)
		}
	}
}

// unsized finds queries of metrics that are made of the sizes of headers.
var unsized = regexp.MustCompile(`istio_(request|response)_bytes`)

func (r *refusal) check(at string, c spec.Check) {
	if k := c.Counter; k != nil {
		for field, name := range map[string]string{".counter.name": k.Name, ".counter.traffic": k.Traffic} { // both may be refused
			if name != "" && !sim.KnowsCounter(name) {
				r.at(at+field, "the counter %s", name)
			}
		}
	}
	if found := unsized.FindString(c.PromQL); found != "" {
		r.at(at+".promql", "the metric %s, in which headers count,", found)
	}
}

// kinds of documents that the simulator models, as far as sim.Unmodelled does not say otherwise.
var kinds = []string{
	"AuthorizationPolicy", "Deployment", "DestinationRule", "Gateway", "Namespace", "PeerAuthentication", "QuotaPolicy", "RequestAuthentication", "Service",
	"ServiceAccount", "VirtualService",
}

// rules looks at the rules that are there from the start, and at those of each apply.
func (r *refusal) rules() {
	files := slices.Concat(r.app.Manifests, r.file.Rules)
	r.snapshot(files)
	for i := range r.file.Spec.Timeline {
		if more := r.file.Items[i]; len(more) > 0 {
			r.snapshot(slices.Concat(files, more))
		}
	}
}

func (r *refusal) snapshot(files []config.File) {
	docs, problems := config.Parse(files...)
	if problems.HasErrors() {
		return // reported elsewhere
	}
	set := config.Set{}.With(docs...)
	for _, doc := range set.Documents() {
		if !slices.Contains(kinds, doc.Kind) {
			r.pos(doc.Pos, "the %s %s", doc.Kind, doc.Name)
		}
	}
	settings := settingsOf(r.file)
	snap, problems := config.Build(set, model.Snapshot{Mesh: settings, Trust: &model.Trust{}}, newPlaces(set, settings).models())
	if problems.HasErrors() {
		return
	}
	for _, d := range sim.Unmodelled(snap) {
		r.pos(d.Pos, "%s", d.What)
	}
}
