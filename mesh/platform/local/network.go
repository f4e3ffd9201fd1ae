package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/relay"
)

// network is what the workloads of a lab stand on: a form.
type network interface {
	form() platform.Form
	capture() model.Capture
	// room is how many workloads it has room for, the gateway among them.
	room() int
	// place gives the k-th workload its addresses; the gateway is the 0th.
	place(k int, w *model.Workload, services []*model.Service)
	// appAddress is where a workload's app listens.
	appAddress(w *model.Workload) string
	// variables are those by which an app reaches others.
	variables(w *model.Workload) map[string]string
	// enter makes what a workload's processes need, leave takes it away when they have ended.
	enter(ctx context.Context, i *Instance) error
	leave(i *Instance) error
	// fork runs the start of a process where the workload is; nil is anywhere.
	fork(i *Instance) func(start func() error) error
	// dial connects from where a workload is; nil is where its load comes from. A nil Dial is anybody's.
	dial(i *Instance) platform.Dial
	// reach gives the address that a workload's app connects to when it calls a service's host and port.
	reach(ctx context.Context, w *model.Workload, host string, port uint32, http bool) (string, error)
	// bootstrap sets what an Envoy must know of the network.
	bootstrap(b *envoy.BootstrapOptions, w *model.Workload)
	// relay opens a relay from one workload to an address and port of another, at an address of its own that only the caller
	// knows; k and n are their numbers.
	relay(ctx context.Context, k, n int, caller, called *Instance, port string) (r *relay.Relay, address string, err error)
	// drop makes a share of the packets between two workloads get lost, in per cent, until undrop of that id, which counts them.
	drop(id string, a, b *Instance, percent float64) error
	undrop(id string) (packets uint64, err error)
	// failNames makes questions for names fail, or work again, and counts those that have failed since.
	failNames(fail bool) (failed uint64, err error)
	close() error
}

// errNoNetwork refuses what only a network of its own can do.
var errNoNetwork = errors.New("loopback has no network of its own that could lose packets or names: use --platform pods")

func (l *Lab) open(ctx context.Context) (network, error) {
	if l.opts.Form == platform.Pods {
		return newPods(ctx, l)
	}
	return takeBlock(ctx)
}

// Info is that of the lab's form.
func (l *Lab) Info() platform.Info { return l.net.form().Info() }

// Dial connects from where a workload is, or, for nil, from where a load on the gateway comes from. A nil function: any
// dialer will do.
func (l *Lab) Dial(from *platform.Instance) platform.Dial { return l.net.dial(l.own(from)) }

// Reach gives the address to which a workload's app connects when it calls a service by its host and port, over HTTP or plain TCP.
func (l *Lab) Reach(ctx context.Context, from *platform.Instance, host string, port uint32, http bool) (string, error) {
	return l.net.reach(ctx, &from.Workload.Workload, host, port, http)
}

// noService says that a call leads nowhere.
func noService(w *model.Workload, host string, port uint32) error {
	return fmt.Errorf("%s has no service %s:%d", w.Name, host, port)
}
