package spec

import (
	"fmt"
	"io/fs"
	"maps"
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/squallmesh/squall/loadgen/pace"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/diag"
)

// Version is the apiVersion of scenario files.
const Version = "squall.dev/v1alpha1"

// DefaultWarmup is how long load runs before t = 0, if some load starts with the scenario.
const DefaultWarmup = 2 * time.Second

// File is a scenario that was read, with all that it names.
type File struct {
	Scenario
	// Name is the path as it was given.
	Name string
	// Rules are the files of spec.config, read.
	Rules []config.File
	// Items are the rules of each timeline item's apply, by the item's index.
	Items map[int][]config.File

	doc *config.Document
}

// Where gives the place of a field by its path: spec.checks[2].p99.
func (f *File) Where(path string) diag.Pos { return f.doc.Where(path) }

// WarmupTime is the warm-up in force. Where no load runs in it, it is what Envoy's window for merging updates takes to be over after the
// start: nothing, where there is none.
func (f *File) WarmupTime() time.Duration {
	if f.Spec.Warmup != nil {
		return f.Spec.Warmup.D()
	}
	for _, l := range f.Spec.Load {
		if l.At.D() == 0 {
			return DefaultWarmup
		}
	}
	if f.Profile() == "exact" {
		return 0
	}
	return time.Second
}

var scenarioName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// Parse reads a scenario. Files that it names are read through fsys, relative to dir; display is what diagnostics call
// the folder of the scenario. All problems come at once.
func Parse(f config.File, fsys fs.FS, dir, display string) (*File, diag.List) {
	out := &File{Name: f.Name, Items: map[int][]config.File{}}
	doc, problems := config.Decode(f, "Scenario", &out.Scenario)
	if doc == nil {
		return nil, problems
	}
	out.doc = doc
	c := checker{file: out, problems: &problems, fsys: fsys, dir: dir, display: display}
	c.header()
	c.loads()
	out.Rules = c.configs("spec.config", out.Spec.Config)
	c.timeline()
	c.checks()
	c.guardRails()
	c.statistics()
	return out, problems
}

type checker struct {
	file         *File
	problems     *diag.List
	fsys         fs.FS
	dir, display string
}

func (c *checker) errorf(code, at, format string, args ...any) {
	c.problems.Add(diag.Diagnostic{Code: code, Pos: c.file.Where(at), Path: at, Message: fmt.Sprintf(format, args...)})
}

func (c *checker) header() {
	s := &c.file.Scenario
	if s.Kind != "Scenario" {
		c.errorf("UNKNOWN-KIND", "kind", "this is a %q, not a Scenario", s.Kind)
	}
	if s.APIVersion != Version {
		c.errorf("UNKNOWN-VERSION", "apiVersion", "Scenario has no version %q here", s.APIVersion)
		c.problems.Hint("say %s", Version)
	}
	if !scenarioName.MatchString(s.Metadata.Name) {
		c.errorf("BAD-NAME", "metadata.name", "the name %q must be lower-case letters, digits and dashes", s.Metadata.Name)
	}
	if s.Spec.App == "" {
		c.errorf("MISSING-FIELD", "spec.app", "a scenario needs an app: bookinfo, backend, tcp-echo or the path of an App file")
	}
	c.matrix()
	if p := s.Spec.Envoy.Profile; p != "" && !slices.Contains(profiles, p) {
		c.errorf("BAD-VALUE", "spec.envoy.profile", "the profile is istio or exact, not %q", p)
	}
	if len(s.Spec.Checks) == 0 {
		c.errorf("MISSING-FIELD", "spec.checks", "a scenario without checks proves nothing")
	}
}

// grpcMethod is the full name of a method, as it stands in a path.
var grpcMethod = regexp.MustCompile(`^/[\w.]+/\w+$`)

func (c *checker) request(at string, r Request) {
	if r.TLS != nil {
		c.tls(at+".tls", r)
	}
	if r.GRPC != "" {
		if !grpcMethod.MatchString(r.GRPC) {
			c.errorf("BAD-VALUE", at+".grpc", "a method is written /package.Service/Method, not %q", r.GRPC)
		}
		if r.Path != "" || r.Method != "" || r.As != "" || r.TCP != "" {
			c.errorf("BAD-VALUE", at, "a gRPC call has a body, headers and a host: no path, method or login of its own")
		}
		r.Path = r.GRPC
	}
	if r.TCP == "" {
		if !strings.HasPrefix(r.Path, "/") {
			c.errorf("BAD-VALUE", at+".path", "a path starts with /")
		}
		if r.From != "" && r.Host == "" {
			c.errorf("MISSING-FIELD", at+".host", "a request from a workload needs the host that it calls, such as reviews:9080")
		}
		return
	}
	host, port, err := net.SplitHostPort(r.TCP)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 {
		c.errorf("BAD-VALUE", at+".tcp", "a service and its port are wanted, such as tcp-echo:9000, or a port of the gateway, such as :31400")
	} else if (host == "") != (r.From == "") {
		c.errorf("BAD-VALUE", at+".tcp", "a service is called from a workload (from), the ingress gateway's port from outside")
	}
	if r.Path != "" || r.Method != "" || len(r.Headers) > 0 || r.Host != "" || r.As != "" {
		c.errorf("BAD-VALUE", at, "a request over TCP has a body and nothing of HTTP: no path, method, headers, host or login")
	}
	if r.Body == "" {
		c.errorf("MISSING-FIELD", at+".body", "what is sent over TCP? an empty connection shows nothing")
	}
}

func (c *checker) loads() {
	seen := map[string]bool{}
	if len(c.file.Spec.Load) == 0 {
		c.errorf("MISSING-FIELD", "spec.load", "a scenario without load shows nothing")
	}
	for i, l := range c.file.Spec.Load {
		at := fmt.Sprintf("spec.load[%d]", i)
		switch {
		case l.Name == "":
			c.errorf("MISSING-FIELD", at+".name", "a load needs a name")
		case seen[l.Name]:
			c.errorf("DUPLICATE-NAME", at+".name", "two loads are called %q", l.Name)
		}
		seen[l.Name] = true
		if _, err := pace.ParseRate(l.Rate); err != nil {
			c.errorf("BAD-RATE", at+".rate", "%v", err)
		}
		if l.Duration <= 0 {
			c.errorf("MISSING-FIELD", at+".duration", "a load needs a duration such as 10s")
		}
		c.request(at+".request", l.Request)
		if l.Request.TCP != "" && l.Value != nil && l.Value.Header != "" {
			c.errorf("BAD-VALUE", at+".value.header", "an answer over TCP has no headers; give the value a body")
		}
		if p := l.Pacing; p != "" && p != "constant" && p != "poisson" {
			c.errorf("BAD-VALUE", at+".pacing", "pacing is constant or poisson, not %q", p)
		}
		switch {
		case l.Sampling != "" && l.Sampling != SamplingLoad && l.Sampling != SamplingMesh:
			c.errorf("BAD-VALUE", at+".sampling", "sampling is by the load or the mesh, not by %q", l.Sampling)
		case l.Sampling != "" && l.Request.TCP != "":
			c.errorf("BAD-VALUE", at+".sampling", "connections over TCP are not traced")
		}
		if l.Value != nil {
			c.value(at, l)
			if _, err := regexp.Compile(l.Value.Body); err != nil {
				c.errorf("BAD-REGEX", at+".value.body", "%v", err)
			}
		}
	}
}

func (c *checker) value(at string, l Load) {
	sources := 0
	for _, s := range []string{l.Value.Header, l.Value.Body, l.Value.Certificate} {
		if s != "" {
			sources++
		}
	}
	if sources != 1 {
		c.errorf("BAD-VALUE", at+".value", "a value is kept from a header, from the body or from the certificate")
	}
	if v := l.Value.Certificate; v != "" && v != "name" && v != "serial" {
		c.errorf("BAD-VALUE", at+".value.certificate", "of a certificate its name or its serial is kept, not %q", v)
	}
	if l.Value.Certificate != "" && l.Request.TLS == nil {
		c.errorf("BAD-VALUE", at+".value.certificate", "without tls there is no certificate")
	}
}

func (c *checker) tls(at string, r Request) {
	if r.TCP != "" || r.GRPC != "" || r.From != "" || r.As != "" {
		c.errorf("BAD-VALUE", at, "TLS is spoken to the ingress gateway, over HTTP/1.1 and without a login")
	}
	if r.Host == "" {
		c.errorf("MISSING-FIELD", strings.TrimSuffix(at, ".tls")+".host", "which name does the server's certificate have? it is asked for by TLS")
	}
	if r.TLS.Trust == "" {
		c.errorf("MISSING-FIELD", at+".trust", "which authorities are trusted? name a Secret with ca.crt")
	}
	if r.TLS.Port > 65535 {
		c.errorf("BAD-VALUE", at+".port", "a port lies between 1 and 65535")
	}
	if v := r.TLS.MaxVersion; v != "" && v != "1.2" && v != "1.3" {
		c.errorf("BAD-VALUE", at+".maxVersion", "the version is 1.2 or 1.3, not %q", v)
	}
}

// configs reads rules. An inline document is JSON to the reader of rules, which is YAML too.
func (c *checker) configs(at string, list []Config) []config.File {
	var out []config.File
	for i, item := range list {
		here := fmt.Sprintf("%s[%d]", at, i)
		if item.Inline != nil {
			out = append(out, config.File{Name: fmt.Sprintf("%s#%s", c.file.Name, here), Data: item.Inline})
			continue
		}
		data, err := fs.ReadFile(c.fsys, path.Join(c.dir, item.Path))
		if err != nil {
			c.errorf("NO-FILE", here, "the rules %q cannot be read: %v", item.Path, err)
			c.problems.Hint("paths are relative to the scenario's folder, and stay below it")
			continue
		}
		out = append(out, config.File{Name: path.Join(c.display, item.Path), Data: data})
	}
	return out
}

func (c *checker) timeline() {
	names := map[string]bool{"before": true, "after": true, "all": true, "warmup": true}
	for i, item := range c.file.Spec.Timeline {
		at := fmt.Sprintf("spec.timeline[%d]", i)
		if item.Name != "" {
			if names[item.Name] {
				c.errorf("DUPLICATE-NAME", at+".name", "the phase %q exists already", item.Name)
			}
			names[item.Name] = true
		}
		n := 0
		for _, set := range []bool{
			item.Fault != nil, item.Apply != nil, item.Delete != nil, item.Hold != nil, item.Release != nil,
			item.Script != nil, item.Restart != nil, item.Scale != nil,
		} {
			if set {
				n++
			}
		}
		if n != 1 && !(n == 0 && item.Name != "") {
			c.errorf("BAD-ITEM", at, "an item does one thing: fault, apply, delete, hold, release, script, restart or scale; this one does %d", n)
		}
		if item.At.D() >= c.file.End() {
			c.errorf("BAD-VALUE", at+".at", "this happens at %s, when all load has ended (%s)", item.At, c.file.End())
		}
		c.conditions(at, item)
		if s := item.Scale; s != nil && (s.Replicas < 0 || s.Replicas > 100) {
			c.errorf("BAD-VALUE", at+".scale.replicas", "a Deployment can have 0 to 100 replicas")
		}
		if item.Restart != nil {
			c.process(at+".restart", item.Restart)
		}
		if item.Script != nil {
			c.script(at+".script", item.Script)
		}
		if item.Apply != nil {
			c.file.Items[i] = c.configs(at+".apply", item.Apply)
		}
		if item.Fault != nil {
			c.fault(at+".fault", item.Fault)
		}
	}
}

func (c *checker) script(at string, s *Script) {
	if len(s.Outcomes) == 0 {
		c.errorf("MISSING-FIELD", at+".outcomes", "a script needs outcomes, one per attempt")
	}
	if s.Workers < 0 {
		c.errorf("BAD-VALUE", at+".workers", "so many workers that work at a time: at least 1, or none for no line")
	}
	for i, o := range s.Outcomes {
		if !slices.Contains([]string{"", "answer", "reset", "close", "hang"}, o.End) {
			c.errorf("BAD-VALUE", fmt.Sprintf("%s.outcomes[%d].end", at, i), "an outcome ends with answer, reset, close or hang")
		}
		if o.GRPCStatus > 16 || o.GRPCStatus > 0 && o.Status != 0 {
			c.errorf("BAD-VALUE", fmt.Sprintf("%s.outcomes[%d].grpcStatus", at, i), "gRPC's statuses are 1 to 16, and an answer with one has no other")
		}
	}
}

// End is when the last load ends, from t = 0.
func (f *File) End() time.Duration {
	var end time.Duration
	for _, l := range f.Spec.Load {
		end = max(end, l.At.D()+l.Duration.D())
	}
	return end
}

// PhaseNames lists the phases that checks may name.
func (f *File) PhaseNames() []string {
	out := []string{"before", "after", "all"}
	for _, item := range f.Spec.Timeline {
		if item.Name != "" {
			out = append(out, item.Name)
		}
	}
	return out
}

func (c *checker) checks() {
	loads, valued := map[string]bool{}, map[string]bool{}
	for _, l := range c.file.Spec.Load {
		loads[l.Name] = true
		valued[l.Name] = l.keepsValues()
	}
	for i, check := range c.file.Spec.Checks {
		at := fmt.Sprintf("spec.checks[%d]", i)
		if check.Phase != "" && !slices.Contains(c.file.PhaseNames(), check.Phase) {
			c.errorf("UNKNOWN-PHASE", at+".phase", "there is no phase %q", check.Phase)
			c.problems.Hint("the phases are %s", strings.Join(c.file.PhaseNames(), ", "))
		}
		for _, l := range []struct{ at, name string }{
			{".load", check.Load}, {".recovery.load", recoveryLoad(check)},
		} {
			if l.name != "" && !loads[l.name] {
				c.errorf("UNKNOWN-LOAD", at+l.at, "there is no load %q", l.name)
			}
		}
		if n := check.Kinds(); len(n) != 1 {
			c.errorf("BAD-CHECK", at, "a check is of one kind; this one is %s", strings.Join(append(n, map[bool]string{true: "none"}[len(n) == 0]), " and "))
			c.problems.Hint("kinds are load (with success, status, p50 to p99, min, max, values), requests, split, rate, quantile, compare, amplification, promql, counter, trace, recovery, ejected")
		}
		if loads[check.Load] && !valued[check.Load] && len(check.Values) > 0 {
			c.errorf("NO-VALUE", at+".values", "the load %q keeps no values; give it a value: header or body", check.Load)
		}
		c.checkKind(at, check)
		c.bounds(at, check)
	}
}

// bounds checks that what is compared can be compared: a latency with a time, a share with a percentage. A latency below 200, which
// would be nanoseconds, is always false, and one above 200 always true.
func (c *checker) bounds(at string, k Check) {
	share, count, elapsed := []Unit{Percent}, []Unit{Number}, []Unit{Time}
	either := []Unit{Percent, Number}
	type bound struct {
		at    string
		b     *Bound
		units []Unit
	}
	list := []bound{
		{".success", k.Success, either},
		{".p50", k.P50, elapsed},
		{".p90", k.P90, elapsed},
		{".p95", k.P95, elapsed},
		{".p99", k.P99, elapsed},
		{".min", k.Min, elapsed},
		{".max", k.Max, elapsed},
		{".share", k.Share, share},
		{".count", k.Count, count},
		{".is", k.Is, count},
	}
	for _, s := range slices.Sorted(maps.Keys(k.Status)) {
		b := k.Status[s]
		list = append(list, bound{".status." + s, &b, either})
		if n, err := strconv.Atoi(s); err != nil || strconv.Itoa(n) != s || n != 0 && (n < 100 || n > 599) {
			c.errorf("BAD-VALUE", at+".status."+s, "%q is no status: a number from 100 to 599, or 0 for no answer", s)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(k.Values)) {
		b := k.Values[v]
		list = append(list, bound{".values." + v, &b, either})
	}
	if k.Counter != nil {
		list = append(list, bound{".counter.delta", &k.Counter.Delta, count})
		if k.Counter.Proxy == "" || k.Counter.Name == "" || k.Counter.Delta.Op == "" {
			c.errorf("MISSING-FIELD", at+".counter", "a counter has a proxy, a name and a delta")
		}
	}
	if k.Recovery != nil {
		list = append(list, bound{".recovery.success", &k.Recovery.Success, either})
		if k.Recovery.Load == "" || k.Recovery.Success.Op == "" {
			c.errorf("MISSING-FIELD", at+".recovery", "a recovery has a load, within and success")
		}
	}
	if k.Ejected != nil && (k.Ejected.Proxy == "" || k.Ejected.To == "") {
		c.errorf("MISSING-FIELD", at+".ejected", "ejected has a proxy, to and workloads")
	}
	for _, l := range list {
		if l.b != nil && l.b.Op != "" && !slices.Contains(l.units, l.b.Unit) {
			words := map[Unit]string{Percent: "a percentage such as 99%", Number: "a number", Time: "a time such as 200ms"}
			var want []string
			for _, u := range l.units {
				want = append(want, words[u])
			}
			c.errorf("BAD-UNIT", at+l.at, "this is compared with %s, not with %q", strings.Join(want, " or "), l.b.Format(l.b.Value))
		}
	}
}

func (c *checker) checkKind(at string, k Check) {
	if k.Load != "" && k.Success == nil && k.Status == nil && k.P50 == nil && k.P90 == nil && k.P95 == nil && k.P99 == nil &&
		k.Min == nil && k.Max == nil && k.Values == nil {
		c.errorf("BAD-CHECK", at, "what must hold for the load %q? say success, status, values, min, max or p50 to p99", k.Load)
	}
	if k.Requests != nil && k.Share == nil && k.Count == nil {
		c.errorf("BAD-CHECK", at, "requests needs share or count")
	}
	if k.Requests == nil && (k.Share != nil || k.Count != nil) {
		c.errorf("BAD-CHECK", at, "share and count belong to requests")
	}
	if (k.PromQL != "") != (k.Is != nil) {
		c.errorf("BAD-CHECK", at, "promql and is go together")
	}
}

func (c *checker) guardRails() {
	for i, a := range c.file.Spec.AbortIf {
		c.condition(fmt.Sprintf("spec.abortIf[%d]", i), a)
	}
}

func (c *checker) condition(at string, a Condition) {
	known := slices.ContainsFunc(c.file.Spec.Load, func(l Load) bool { return l.Name == a.Load })
	if !known {
		c.errorf("UNKNOWN-LOAD", at+".load", "there is no load %q", a.Load)
	}
	if a.Success.Unit != Percent {
		c.errorf("BAD-VALUE", at+".success", "a condition compares a percentage, such as \"< 50%%\"")
	}
}

// conditions checks what an item depends on.
func (c *checker) conditions(at string, item Item) {
	if item.When != nil {
		c.condition(at+".when", *item.When)
	}
	for i, name := range item.Unless {
		at := fmt.Sprintf("%s.unless[%d]", at, i)
		if name == item.Name {
			c.errorf("BAD-VALUE", at, "an item cannot wait for itself")
		} else if !slices.ContainsFunc(c.file.Spec.Timeline, func(i Item) bool { return i.Name == name && name != "" }) {
			c.errorf("UNKNOWN-PHASE", at, "no item opens a phase %q", name)
		}
	}
}

func recoveryLoad(c Check) string {
	if c.Recovery == nil {
		return ""
	}
	return c.Recovery.Load
}

// Kinds names the kinds of a check; a good one has exactly one.
func (c Check) Kinds() []string {
	var out []string
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"load", c.Load != ""},
		{"requests", c.Requests != nil},
		{"split", c.Split != nil},
		{"rate", c.Rate != nil},
		{"quantile", c.Quantile != nil},
		{"compare", c.Compare != nil},
		{"amplification", c.Amplification != nil},
		{"promql", c.PromQL != ""},
		{"counter", c.Counter != nil},
		{"trace", c.Trace != nil},
		{"recovery", c.Recovery != nil},
		{"ejected", c.Ejected != nil},
	} {
		if k.set {
			out = append(out, k.name)
		}
	}
	return out
}
