package live

import (
	"context"
	"fmt"

	"github.com/squallmesh/squall/mesh/relay"
)

// keep leaves the mesh up, with an address at which people reach its gateway, for as long as somebody wants it or until it breaks.
func (r *runner) keep(ctx context.Context) error {
	address := fmt.Sprintf("%s:%d", r.lab.GatewayAddress(), gatewayPort)
	if dial := r.lab.Dial(nil); dial != nil {
		front, err := relay.Listen(ctx, relay.Options{Listen: "127.0.0.1:0", Upstream: address, Dial: dial})
		if err != nil {
			return fmt.Errorf("a way to the gateway: %w", err)
		}
		defer func() { _ = front.Close() }() // nobody is served any more
		address = front.Address()
	}
	wanted, done := context.WithCancel(ctx)
	defer done()
	go func() {
		select {
		case err := <-r.lab.Failed():
			r.progress("the mesh is down: %v", err)
			done()
		case <-wanted.Done():
		}
	}()
	r.opts.Keep(wanted, r.run, address)
	return nil
}
