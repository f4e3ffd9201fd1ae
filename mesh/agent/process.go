package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/proc"
)

// LeaseTime is how long something stays broken that nobody renews.
const LeaseTime = 3 * time.Second

// process is the one that the agent runs.
type process struct {
	owner *proc.Owner
	env   []string
	log   io.Writer

	mu   sync.Mutex
	spec Spec
	p    *proc.Process
	// identity is that of an Envoy which has one.
	identity *identity
	// asked says that its end is wanted.
	asked bool
	// broken is the end of the lease on a kill or a pause; zero: none.
	broken time.Time
	// changed is closed and replaced when the process was started or has ended.
	changed chan struct{}
}

func newProcess(o Options, owner *proc.Owner) *process {
	return &process{owner: owner, env: o.Env, log: o.Log, changed: make(chan struct{})}
}

// run starts what a spec says in place of what runs.
func (p *process) run(ctx context.Context, s Spec) error {
	if len(s.Command) == 0 && s.Envoy == nil {
		return errors.New("an agent needs a command or an Envoy to run")
	}
	if err := p.end(); err != nil {
		return err
	}
	for name, text := range s.Files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return fmt.Errorf("a file of %s: %w", s.Name, err)
		}
	}
	p.mu.Lock()
	p.spec = s
	p.mu.Unlock()
	if err := p.identify(ctx, s.Envoy); err != nil {
		return err
	}
	return p.start(ctx)
}

// identify gives an Envoy that shall have one its identity.
func (p *process) identify(ctx context.Context, e *Envoy) error {
	if e == nil || e.Identity == nil {
		return nil
	}
	if err := os.MkdirAll(e.Dir, 0o700); err != nil {
		return fmt.Errorf("Envoy's folder: %w", err)
	}
	one, err := startIdentity(ctx, *e.Identity, e.Dir)
	if err != nil {
		return err
	}
	e.Bootstrap.SDS = unixPath(e.Dir, sdsSocket)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.identity = one
	return nil
}

// certify brings the identity the next token.
func (p *process) certify(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.identity.certify(token)
}

// forget ends the identity.
func (p *process) forget() {
	p.mu.Lock()
	one := p.identity
	p.identity = nil
	p.mu.Unlock()
	one.end()
}

// end kills what runs.
func (p *process) end() error {
	p.mu.Lock()
	one := p.p
	p.asked, p.broken = true, time.Time{}
	p.mu.Unlock()
	defer p.forget()
	if one == nil {
		return nil
	}
	return one.Kill()
}

// start starts it, unless it runs.
func (p *process) start(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.p != nil && p.p.Exit() == nil {
		return nil
	}
	started, err := p.launch(ctx)
	if err != nil {
		return err
	}
	p.p, p.asked, p.broken = started, false, time.Time{}
	p.tell()
	go func() {
		<-started.Done()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tell()
	}()
	return nil
}

// tell wants p.mu held.
func (p *process) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *process) launch(ctx context.Context) (*proc.Process, error) {
	if e := p.spec.Envoy; e != nil {
		if err := os.MkdirAll(e.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("Envoy's folder: %w", err)
		}
		o := envoy.Options{Binary: envoy.Binary{Path: e.Path}, Dir: e.Dir, Bootstrap: e.Bootstrap, DrainTime: e.DrainTime, Log: p.log}
		started, err := envoy.Start(ctx, p.owner, o)
		if err != nil {
			return nil, err
		}
		return started.Process(), nil
	}
	env := slices.Clone(p.env)
	for _, name := range slices.Sorted(maps.Keys(p.spec.Env)) {
		env = append(env, name+"="+p.spec.Env[name])
	}
	return p.owner.Start(proc.Spec{Name: p.spec.Name, Path: p.spec.Command[0], Args: p.spec.Command[1:], Env: env, Log: p.log})
}

// act does what it is asked for, and returns when the kernel shows it. What breaks the process is undone unless it is renewed.
func (p *process) act(ctx context.Context, what string) error {
	p.mu.Lock()
	one := p.p
	if what == Kill || what == Stop {
		p.asked = true
	}
	p.mu.Unlock()
	if one == nil {
		return errors.New("the agent runs nothing yet")
	}
	var err error
	switch what {
	case Start:
		err = p.start(ctx)
	case Kill:
		err = one.Kill()
	case Stop:
		err = one.Stop(ctx)
	case Pause:
		err = one.Pause()
	case Resume:
		err = one.Resume()
	default:
		return fmt.Errorf("a process cannot be asked for %q", what)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = time.Time{}
	if err == nil && slices.Contains([]string{Kill, Stop, Pause}, what) {
		p.broken = time.Now().Add(LeaseTime)
	}
	return err
}

// renew keeps it broken for another LeaseTime.
func (p *process) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.broken.IsZero() {
		p.broken = time.Now().Add(LeaseTime)
	}
}

// expire mends a process whose lease has ended.
func (p *process) expire(ctx context.Context) {
	p.mu.Lock()
	one := p.p
	over := !p.broken.IsZero() && time.Now().After(p.broken)
	if over {
		p.broken = time.Time{}
	}
	p.mu.Unlock()
	if !over {
		return
	}
	if one.Exit() != nil {
		_ = p.start(ctx) // its next status says so
		return
	}
	_ = one.Resume()
}

func (p *process) status() Status {
	p.mu.Lock()
	one, asked := p.p, p.asked
	p.mu.Unlock()
	if one == nil {
		return Status{State: proc.Gone.String()}
	}
	s := Status{State: one.State().String(), Log: one.LogTail(20)}
	if one.Exit() != nil && !asked {
		s.Ended = "it ended by itself with status 0"
		if err := one.Err(); err != nil {
			s.Ended = err.Error()
		}
	}
	return s
}

// pid is that of what runs, or 0.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.p == nil || p.p.Exit() != nil {
		return 0
	}
	return p.p.PID()
}

// ready tells that an Envoy runs and takes traffic; nil, or why not.
func (p *process) ready(ctx context.Context) error {
	p.mu.Lock()
	one, e := p.p, p.spec.Envoy
	p.mu.Unlock()
	if one == nil || e == nil || one.Exit() != nil {
		return errors.New("no Envoy runs: no lab has started one")
	}
	return envoy.NewAdmin(e.Bootstrap.Admin).Ready(ctx)
}

// ended waits until the process ends by itself, which it may have done long ago.
func (p *process) ended(ctx context.Context) (Status, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if s := p.status(); s.Ended != "" {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Status{}, context.Cause(ctx)
		}
	}
}
