package envoy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/squallmesh/squall/mesh/proc"
)

// Defaults of [Options].
const (
	DefaultConcurrency = 1
	DefaultDrainTime   = 5 * time.Second
	DefaultLogLevel    = "warning"
)

// Files that [Start] writes into Options.Dir.
const (
	bootstrapFile    = "bootstrap.json"
	adminAddressFile = "admin-address.txt"
)

// LogFile in Options.Dir takes what Envoy writes.
const LogFile = "envoy.log"

// tailInErrors is how many lines of the log an error shows.
const tailInErrors = 8

// Options say how to run an Envoy.
type Options struct {
	Binary    Binary
	Bootstrap BootstrapOptions
	// Dir is an existing folder of this Envoy alone. Start writes bootstrap.json (0600) and appends to envoy.log there.
	Dir string
	// Concurrency is the number of worker threads. 0 means 1.
	Concurrency int
	// DrainTime is how long an updated or removed listener goes on serving its open connections; whole seconds, rounded up. 0
	// means 5 s; negative means none, which can cut requests.
	DrainTime time.Duration
	// LogLevel is one of trace, debug, info, warning, error, critical, off. Empty means warning. Below info the log may hold
	// secrets.
	LogLevel string
	// Log takes what Envoy writes, besides its file; nil does not.
	Log io.Writer
	// Env is the environment. Envoy itself needs none.
	Env []string
	// Fork is that of [proc.Spec].
	Fork func(start func() error) error
	// ExtraArgs follow the flags that Start chooses.
	ExtraArgs []string
}

// Envoy is a running Envoy. Its methods may be called from several goroutines.
type Envoy struct {
	id      string
	process *proc.Process
	dir     string
	log     *os.File
	admin   *Admin
	portOf  string // file that Envoy writes its admin address to; empty for a Unix socket
}

// Start renders the bootstrap and starts Envoy as a child of owner. It does not wait: see [Envoy.Ready]. ctx bounds the
// start only.
func Start(ctx context.Context, owner *proc.Owner, opts Options) (*Envoy, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start Envoy %q: %w", opts.Bootstrap.NodeID, err)
	}
	e, err := start(owner, opts)
	if err != nil {
		return nil, fmt.Errorf("start Envoy %q: %w", opts.Bootstrap.NodeID, err)
	}
	return e, nil
}

func start(owner *proc.Owner, opts Options) (*Envoy, error) {
	args, err := opts.args()
	if err != nil {
		return nil, err
	}
	at, err := parseAddress(opts.Bootstrap.Admin)
	if err != nil {
		return nil, err
	}
	bootstrap, err := Bootstrap(opts.Bootstrap)
	if err != nil {
		return nil, err
	}
	if err := writeBootstrap(filepath.Join(opts.Dir, bootstrapFile), bootstrap); err != nil {
		return nil, err
	}
	e := &Envoy{id: opts.Bootstrap.NodeID, dir: opts.Dir}
	if at.path != "" {
		e.admin = NewAdmin(opts.Bootstrap.Admin)
		err = removeStale(at.path)
	} else {
		e.admin = NewAdmin("") // refuses until the port is known
		e.portOf = filepath.Join(opts.Dir, adminAddressFile)
		err = removeStale(e.portOf)
	}
	if err != nil {
		return nil, err
	}
	e.log, err = os.OpenFile(filepath.Join(opts.Dir, LogFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make its log: %w", err)
	}
	var log io.Writer = e.log
	if opts.Log != nil {
		log = io.MultiWriter(e.log, opts.Log)
	}
	e.process, err = owner.Start(proc.Spec{
		Name: "Envoy " + e.id, Path: opts.Binary.Path, Args: args, Env: opts.Env, Dir: opts.Dir, Log: log, Fork: opts.Fork,
	})
	if err != nil {
		return nil, errors.Join(err, e.log.Close())
	}
	go func() {
		<-e.process.Done()
		_ = e.log.Close()
	}()
	return e, nil
}

// args are Envoy's flags. Hot restart is off because it is not used, and because its shared memory (in /dev/shm) stays
// behind at every end of an Envoy with a dynamic base id; both start equally fast.
func (o Options) args() ([]string, error) {
	if o.Dir == "" {
		return nil, errors.New("Options.Dir is empty: give it a folder of its own")
	}
	concurrency, drain, level := o.Concurrency, o.DrainTime, o.LogLevel
	if concurrency == 0 {
		concurrency = DefaultConcurrency
	}
	if concurrency < 0 {
		return nil, fmt.Errorf("Options.Concurrency %d is negative", concurrency)
	}
	if drain == 0 {
		drain = DefaultDrainTime
	}
	if level == "" {
		level = DefaultLogLevel
	}
	seconds := int((max(drain, 0) + time.Second - 1) / time.Second)
	args := []string{
		"--config-path", filepath.Join(o.Dir, bootstrapFile),
		"--disable-hot-restart",
		"--concurrency", strconv.Itoa(concurrency),
		"--drain-time-s", strconv.Itoa(seconds),
		"--file-flush-interval-msec", "50",
		"--log-level", level,
		"--log-format", "[%Y-%m-%d %T.%e][%l][%n] %v",
	}
	if !strings.HasPrefix(o.Bootstrap.Admin, unixScheme) {
		args = append(args, "--admin-address-path", filepath.Join(o.Dir, adminAddressFile))
	}
	return append(args, o.ExtraArgs...), nil
}

// writeBootstrap writes JSON that does not vary (protojson itself varies its spaces on purpose).
func writeBootstrap(file string, b *bootstrapv3.Bootstrap) error {
	raw, err := protojson.Marshal(b)
	if err != nil {
		return fmt.Errorf("render its bootstrap: %w", err)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return fmt.Errorf("render its bootstrap: %w", err)
	}
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("render its bootstrap: %w", err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write its bootstrap: %w", err)
	}
	return nil
}

func removeStale(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove what an earlier Envoy left: %w", err)
	}
	return nil
}

// Admin is the client of its admin interface. With a TCP port chosen by the kernel it works once Ready returned nil.
func (e *Envoy) Admin() *Admin { return e.admin }

// Process is Envoy's process: for faults, and for evidence of its state.
func (e *Envoy) Process() *proc.Process { return e.process }

// LogFile is the path of its log.
func (e *Envoy) LogFile() string { return filepath.Join(e.dir, LogFile) }

// Done is closed when Envoy has ended.
func (e *Envoy) Done() <-chan struct{} { return e.process.Done() }

// Err is nil while Envoy runs and after it ended because of Stop. Else it says how it ended, with the end of its log.
func (e *Envoy) Err() error {
	err := e.process.Err()
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w%s", err, e.logTail())
}

// Stop ends Envoy: SIGTERM, and SIGKILL when ctx ends before it does. It returns when Envoy is gone.
func (e *Envoy) Stop(ctx context.Context) error { return e.process.Stop(ctx) }

// Ready waits until the admin interface says LIVE: all listeners and clusters of the first config are there. The error of
// an Envoy that ended says why, with the end of its log; when ctx ends first, it says what Envoy was waiting for.
func (e *Envoy) Ready(ctx context.Context) error {
	wait := time.Millisecond
	timer := time.NewTimer(0)
	defer timer.Stop()
	last := errors.New("it was not asked yet")
	for {
		select {
		case <-e.Done():
			if err := e.Err(); err != nil {
				return err
			}
			return fmt.Errorf("envoy %q was stopped before it was ready%s", e.id, e.logTail())
		case <-ctx.Done():
			return fmt.Errorf("envoy %q is not ready: %w: %w%s%s", e.id, ctx.Err(), last, e.pending(ctx), e.logTail())
		case <-timer.C:
		}
		err := e.ready(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		timer.Reset(wait)
		wait = min(wait*2, 10*time.Millisecond) // /ready takes 0.1 ms
	}
}

func (e *Envoy) ready(ctx context.Context) error {
	if e.portOf != "" && e.admin.Address() == "" {
		at, err := os.ReadFile(e.portOf)
		if err != nil {
			return fmt.Errorf("the admin interface does not listen yet: %w", err)
		}
		if !bytes.ContainsRune(at, ':') { // written only in part
			return errors.New("the admin interface does not listen yet")
		}
		e.admin.setAddress(strings.TrimSpace(string(at)))
	}
	return e.admin.Ready(ctx)
}

// pending asks what Envoy's start waits for.
func (e *Envoy) pending(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	dump, err := e.admin.Get(ctx, "/init_dump")
	if err != nil || len(dump) == 0 {
		return ""
	}
	return fmt.Sprintf("\nit waits for: %.2000s", strings.Join(strings.Fields(string(dump)), " "))
}

func (e *Envoy) logTail() string {
	lines := e.process.LogTail(tailInErrors)
	if len(lines) == 0 {
		return "\nits log is empty"
	}
	return "\nthe end of its log (" + e.LogFile() + "):\n  " + strings.Join(lines, "\n  ")
}
