package local

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/relay"
)

// Front is where people of this machine reach a lab's gateway. No load goes this way.
type Front struct {
	// Address is where the gateway's ports are.
	Address string

	block  *block
	relays []*relay.Relay
}

// OpenFront gives the gateway's own address where anybody can connect to it; else addresses of this machine, from which relays lead
// to the ports that the rules at the lab's start open. They end with Close.
func (l *Lab) OpenFront(ctx context.Context) (f *Front, err error) {
	dial := l.Dial(nil)
	if dial == nil {
		return &Front{Address: l.GatewayAddress()}, nil
	}
	f = &Front{}
	if f.block, err = takeBlock(ctx); err != nil {
		return nil, err
	}
	f.Address = f.block.sidecar(0)
	for _, port := range l.gatewayPorts() {
		r, err := relay.Listen(ctx, relay.Options{
			Listen: fmt.Sprintf("%s:%d", f.Address, port), Upstream: fmt.Sprintf("%s:%d", l.GatewayAddress(), port), Dial: dial,
		})
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		f.relays = append(f.relays, r)
	}
	return f, nil
}

// gatewayPorts are those that Gateways of the rules open.
func (l *Lab) gatewayPorts() []uint32 {
	docs, _ := config.Parse(slices.Concat(l.opts.App.Manifests, l.rules)...)
	snap, _ := config.Build(config.Set{}.With(docs...), model.Snapshot{}, nil) // the control plane has taken them
	var out []uint32
	for _, g := range snap.Gateways.All() {
		for _, s := range g.Servers {
			out = append(out, s.Port)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Close ends the relays.
func (f *Front) Close() error {
	var errs []error
	for _, r := range f.relays {
		errs = append(errs, r.Close())
	}
	if f.block != nil {
		errs = append(errs, f.block.close())
	}
	return errors.Join(errs...)
}
