package virtual

import (
	"fmt"
	"slices"
	"time"

	"github.com/squallmesh/squall/bookinfo/backend"
	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/sim"
	"github.com/squallmesh/squall/scenarios/plan"
	"github.com/squallmesh/squall/scenarios/record"
	"github.com/squallmesh/squall/scenarios/spec"
)

// happening is what an item does.
func (e *engine) happening(i int, item spec.Item) *happening {
	switch {
	case item.Fault != nil:
		return e.fault(i, item.Fault)
	case item.Apply != nil:
		return &happening{begin: func(done func()) { e.applyFiles(e.file.Items[i], done) }}
	case item.Delete != nil:
		return &happening{begin: func(done func()) { e.delete(item.Delete, done) }}
	case item.Hold != nil:
		return e.hold(item.Hold)
	case item.Release != nil:
		n := -1
		if item.Release.Count != nil {
			n = *item.Release.Count
		}
		return &happening{begin: func(done func()) { e.release(item.Release.Workload, n, done) }}
	case item.Script != nil:
		return e.script(item.Script)
	case item.Scale != nil:
		return e.scale(item.Scale, item.For > 0)
	case item.Restart != nil:
		return e.restart(item.Restart)
	}
	return &happening{}
}

// evidence asks what happened for proof.
func (e *engine) evidence() {
	for i, h := range e.happened {
		ev := &e.run.Events[i]
		if h.evidence == nil {
			continue
		}
		if ev.Until == 0 {
			ev.Until = e.file.End()
		}
		ev.Evidence, ev.Missing = h.evidence(*ev)
	}
}

// settled applies the documents, when that has had its time.
func (e *engine) settled(done func()) {
	e.after(effectTime, func() {
		if err := e.apply(); err != nil {
			e.fail(err)
			return
		}
		done()
	})
}

// order does something that takes effect when its order has arrived.
func (e *engine) order(do, done func()) {
	e.after(orderTime, func() {
		do()
		done()
	})
}

func (e *engine) applyFiles(files []config.File, done func()) {
	if e.down { // a stopped control plane learns of it when it comes back
		e.waiting = append(e.waiting, files...)
		done()
		return
	}
	docs, problems := config.Parse(files...)
	if err := problems.Err(); err != nil {
		e.fail(err)
		return
	}
	e.docs = e.docs.With(docs...)
	e.settled(done)
}

func (e *engine) delete(refs []spec.Ref, done func()) {
	if e.down {
		e.fail(fmt.Errorf("delete: the control plane is down"))
		return
	}
	for _, ref := range refs {
		e.docs = e.docs.Without(ref.Kind, ref.Namespace, ref.Name)
	}
	e.settled(done)
}

func (e *engine) fault(i int, f *spec.Fault) *happening {
	_, what := plan.Words(spec.Item{Fault: f}, nil)
	switch {
	case plan.Leased(f) != nil:
		return e.lease(i, plan.Leased(f), what)
	case f.ControlPlane != "":
		return &happening{
			begin: func(done func()) { e.down = true; e.mesh.CountQuotas(false); e.after(orderTime, done) },
			end: func(done func()) {
				e.after(appTime, func() {
					e.down = false
					e.mesh.CountQuotas(true)
					files := e.waiting
					e.waiting = nil
					e.applyFiles(files, done)
				})
			},
			evidence: func(record.Event) (string, string) { return "its process had ended", "" },
		}
	case f.Kill != nil:
		return e.kill(f.Kill)
	case f.Pause != nil:
		return e.pause(f.Pause)
	}
	return e.network(i, f, what)
}

// lease injects a delay or an abort.
func (e *engine) lease(i int, rule *model.LeasedFault, what string) *happening {
	flag := "FI"
	if rule.Delay != nil {
		flag = "DI"
	}
	arm := func(on bool, done func()) {
		if e.down {
			e.fail(fmt.Errorf("%s: the control plane is down", what))
			return
		}
		e.after(effectTime, func() {
			armed := *rule
			armed.ID, armed.Slot, armed.Armed = what, i, on
			e.slots[i] = &armed
			var list []*model.LeasedFault
			for slot := range e.file.Spec.Timeline {
				if f := e.slots[slot]; f != nil && f.Host == rule.Host {
					list = append(list, f)
				}
			}
			e.mesh.SetFaults(rule.Host, list)
			done()
		})
	}
	return &happening{
		begin: func(done func()) { arm(true, done) },
		end:   func(done func()) { arm(false, done) },
		evidence: func(ev record.Event) (string, string) {
			from, to := start.Add(ev.At), start.Add(ev.Until)
			n := 0
			for i := range e.run.Hops {
				h := &e.run.Hops[i]
				if h.HasFlag(flag) && !h.Time.Before(from) && h.Time.Before(to) && h.To(rule.Host) {
					n++
				}
			}
			if n == 0 {
				return "", fmt.Sprintf("no call carries the response flag %s: the fault (%s) was not injected", flag, what)
			}
			return fmt.Sprintf("%d calls carry the response flag %s", n, flag), ""
		},
	}
}

// targets says which processes of a workload are meant.
func targets(p *spec.Process) (app, proxy bool) {
	return p.Target != "sidecar", p.Target == "sidecar" || p.Target == "both"
}

// revival is how long processes take to serve again.
func revival(proxy bool) time.Duration {
	if proxy {
		return proxyTime
	}
	return appTime
}

// process finds the workload whose processes are meant, or ends the run.
func (e *engine) process(p *spec.Process) (*workload, bool) {
	w, ok := e.place.find(p.Workload)
	if !ok {
		e.fail(fmt.Errorf("there is no workload %q", p.Workload))
	}
	return w, ok
}

func (e *engine) killNow(p *spec.Process) {
	if w, ok := e.process(p); ok {
		app, proxy := targets(p)
		e.mesh.Kill(w.Name, app, proxy)
		if proxy {
			e.run.Notes = append(e.run.Notes, "the proxy of "+p.Workload+" was killed: what it had not reported yet is lost")
		}
	}
}

func (e *engine) reviveNow(p *spec.Process) {
	if w, ok := e.process(p); ok {
		app, proxy := targets(p)
		e.mesh.Revive(w.Name, app, proxy)
		if app {
			e.teach(p.Workload)
		}
	}
}

func (e *engine) kill(p *spec.Process) *happening {
	_, proxy := targets(p)
	return &happening{
		begin:    func(done func()) { e.order(func() { e.killNow(p) }, done) },
		end:      func(done func()) { e.after(revival(proxy), func() { e.reviveNow(p); e.after(effectTime, done) }) },
		evidence: func(record.Event) (string, string) { return "its processes were gone", "" },
	}
}

func (e *engine) restart(p *spec.Process) *happening {
	_, proxy := targets(p)
	return &happening{begin: func(done func()) {
		e.killNow(p)
		e.after(revival(proxy), func() { e.reviveNow(p); e.after(effectTime, done) })
	}}
}

func (e *engine) pause(p *spec.Process) *happening {
	goOn := func() {}
	return &happening{
		begin: func(done func()) {
			e.order(func() {
				if w, ok := e.process(p); ok {
					goOn = e.mesh.Pause(w.Name)
				}
			}, done)
		},
		end:      func(done func()) { e.order(func() { goOn() }, done) },
		evidence: func(record.Event) (string, string) { return "its processes were stopped", "" },
	}
}

// network breaks the network between workloads.
func (e *engine) network(i int, f *spec.Fault, what string) *happening {
	kind, n := f.NetworkKind()
	fault := sim.Network{Latency: n.Fixed.D(), Jitter: n.Jitter.D(), Stall: kind == "stall", Reset: kind == "reset"}
	side := func(name string) func(string) bool {
		return func(instance string) bool {
			w, ok := e.place.find(instance)
			return name == "" || ok && w.is(name)
		}
	}
	mend, met := func() int { return 0 }, 0
	return &happening{
		begin: func(done func()) {
			e.order(func() { mend = e.mesh.BreakNetwork(fmt.Sprintf("timeline[%d]", i), fault, side(n.From), side(n.To)) }, done)
		},
		end: func(done func()) { e.order(func() { met = mend() }, done) },
		evidence: func(record.Event) (string, string) {
			switch {
			case met == 0:
				return "", "nothing was sent between " + plan.Pair(n) + " meanwhile: the fault (" + what + ") met no traffic"
			case fault.Reset:
				return fmt.Sprintf("%d connections were reset", met), ""
			}
			return fmt.Sprintf("callers sent %d times meanwhile", met), ""
		},
	}
}

// script is a rule of the timeline for the backends of a workload, or for all.
type script struct {
	workload string
	rule     sim.Rule
}

// takesOrders reports whether a workload is a built-in backend, of a name or of any.
func (e *engine) takesOrders(w *workload, name string) bool {
	return roleOf(e.opts.App, w.Owner) == "backend" && w.proxy.Kind == model.Sidecar && (name == "" || w.Owner == name || w.Name == name)
}

// backends calls f for the backends of a workload, or for all.
func (e *engine) backends(name string, f func(*workload, *sim.Backend)) {
	found := false
	for _, w := range e.place.workloads {
		if e.takesOrders(w, name) {
			found = true
			if b := e.mesh.Backend(w.Key()); b != nil {
				f(w, b)
			}
		}
	}
	if !found {
		e.fail(fmt.Errorf("the app has no backend %q that takes orders", name))
	}
}

func matchOf(m spec.Match) sim.Match {
	return sim.Match{Port: m.Port, PathPrefix: m.PathPrefix, Headers: m.Headers}
}

func (e *engine) hold(h *spec.Hold) *happening {
	return &happening{
		begin: func(done func()) {
			e.order(func() { e.backends(h.Workload, func(_ *workload, b *sim.Backend) { b.Hold(matchOf(h.Match)) }) }, done)
		},
		end: func(done func()) { e.release(h.Workload, -1, done) },
	}
}

func (e *engine) release(name string, n int, done func()) {
	e.order(func() { e.backends(name, func(_ *workload, b *sim.Backend) { b.Release(n) }) }, done)
}

func (e *engine) script(s *spec.Script) *happening {
	own := &script{workload: s.Workload, rule: sim.Rule{Match: matchOf(s.Match), Workers: s.Workers}}
	for _, o := range s.Outcomes {
		end := sim.End(o.End)
		if o.End == "answer" {
			end = sim.Answers
		}
		own.rule.Outcomes = append(own.rule.Outcomes, sim.Outcome{Status: o.Status, GRPCStatus: o.GRPCStatus, Header: o.Header, Body: o.Body, Delay: o.Delay.D(), End: end})
	}
	return &happening{
		begin: func(done func()) {
			e.scripts = append(e.scripts, own)
			e.order(func() { e.teach(s.Workload) }, done)
		},
		end: func(done func()) {
			e.scripts = slices.DeleteFunc(e.scripts, func(one *script) bool { return one == own })
			e.order(func() { e.teach(s.Workload) }, done)
		},
	}
}

// teach tells the backends of a workload, or all, the scripts that are in force for them: of those that match a request the latest counts.
func (e *engine) teach(name string) {
	if len(e.scripts) == 0 && !slices.ContainsFunc(e.place.workloads, func(w *workload) bool { return e.takesOrders(w, name) }) {
		return
	}
	e.backends(name, func(w *workload, b *sim.Backend) {
		var rules []sim.Rule
		for _, s := range slices.Backward(e.scripts) {
			if e.takesOrders(w, s.workload) {
				rules = append(rules, s.rule)
			}
		}
		b.Script(rules...)
	})
}

func (e *engine) scale(s *spec.Scale, lasts bool) *happening {
	before, now := 0, 0
	h := &happening{
		begin: func(done func()) {
			before = len(e.place.of(s.Workload))
			e.scaleTo(s.Workload, s.Replicas, func() {
				now = len(e.place.of(s.Workload))
				done()
			})
		},
		evidence: func(record.Event) (string, string) { return fmt.Sprintf("%d instances became %d", before, now), "" },
	}
	if lasts {
		h.end = func(done func()) { e.scaleTo(s.Workload, before, done) }
	}
	return h
}

// scaleTo adds instances, which are sent traffic when they serve, or takes some away: first out of every balancer, then, when they have
// nothing to do any more, for good.
func (e *engine) scaleTo(owner string, replicas int, done func()) {
	have := e.place.of(owner)
	switch {
	case e.down:
		e.fail(fmt.Errorf("scale %s: the control plane is down", owner))
	case replicas > len(have):
		added := e.place.more(owner, e.numbered(owner), replicas-len(have))
		if added == nil {
			e.fail(fmt.Errorf("there is no Deployment %q", owner))
			return
		}
		e.after(proxyTime, func() {
			if err := e.apply(); err != nil {
				e.fail(err)
				return
			}
			for _, w := range added {
				if err := e.startApp(w); err != nil {
					e.fail(err)
					return
				}
				w.ready(true)
				e.record1(w)
			}
			e.settled(func() {
				e.teach(owner)
				done()
			})
		})
	case replicas < len(have):
		leaving := have[replicas:]
		for _, w := range leaving {
			w.ready(false)
		}
		e.settled(func() {
			e.drain(leaving, e.since()+plan.Drain, func() {
				e.place.remove(leaving)
				e.settled(done)
			})
		})
	default:
		done()
	}
}

// numbered is how many instances a Deployment has ever had.
func (e *engine) numbered(owner string) int {
	n := 0
	for _, w := range e.run.Workloads {
		if w.Owner == owner {
			n++
		}
	}
	return n
}

// drain waits until instances have nothing to do any more.
func (e *engine) drain(list []*workload, end time.Duration, done func()) {
	busy := 0
	for _, w := range list {
		busy += e.mesh.Busy(w.proxy.ID)
	}
	switch {
	case busy == 0:
		done()
	case e.since() >= end:
		e.run.Notes = append(e.run.Notes, fmt.Sprintf("scaled away although it had %d requests in flight", busy))
		done()
	default:
		e.after(10*time.Millisecond, func() { e.drain(list, end, done) })
	}
}

// watchEjections records which endpoints the proxies of ejected checks keep out, and when.
func (e *engine) watchEjections() {
	for _, c := range e.file.Spec.Checks {
		if c.Ejected != nil {
			if w, ok := e.place.find(c.Ejected.Proxy); ok {
				e.ejecting[w.proxy.ID] = c.Ejected.Proxy
			}
		}
	}
	e.mesh.Ejected = func(x sim.Ejection) {
		name, asked := e.ejecting[x.Proxy]
		if !asked {
			return
		}
		key := name + " " + x.Cluster + " " + x.Endpoint
		if !x.Out {
			if n, was := e.ejected[key]; was {
				e.run.Ejections[n].To = e.since()
				delete(e.ejected, key)
			}
			return
		}
		w, _ := e.run.WorkloadAt(x.Endpoint)
		e.ejected[key] = len(e.run.Ejections)
		e.run.Ejections = append(e.run.Ejections, record.Ejection{
			Proxy: name, Cluster: x.Cluster, Endpoint: x.Endpoint, Workload: w.Owner, From: e.since(),
		})
	}
}

// backendPorts are the names of the backend's ports.
func backendPorts() map[uint32]string {
	out := map[uint32]string{}
	for name, n := range backend.DefaultPorts() { // into a map
		out[uint32(n)] = name
	}
	return out
}
