package local

import (
	"context"
	"fmt"
	"net"
)

// block is a lab's own part of the loopback range. While its guard listens, no other lab takes it.
type block struct {
	n     int
	guard net.Listener
}

// The blocks of labs, and the port on which a block's guard listens.
const (
	firstBlock = 16
	lastBlock  = 250
	guardPort  = 15999
)

// takeBlock finds a free block. Two labs can start at the same moment: the kernel decides who has it.
func takeBlock(ctx context.Context) (*block, error) {
	var lc net.ListenConfig
	var last error
	for n := firstBlock; n <= lastBlock; n++ {
		l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.%d.0.1:%d", n, guardPort))
		if err == nil {
			return &block{n: n, guard: l}, nil
		}
		last = err
	}
	return nil, fmt.Errorf("no free block 127.N.0.0/16 for a lab (N from %d to %d): %w\n"+
		"End other labs with squall down. Where the machine has 127.0.0.1 alone (macOS), loopback labs do not run yet", firstBlock, lastBlock, last)
}

func (b *block) close() { _ = b.guard.Close() }

// sidecar and app are the addresses of the k-th workload; the gateway is workload 0.
func (b *block) sidecar(k int) string { return fmt.Sprintf("127.%d.%d.1", b.n, k) }
func (b *block) app(k int) string     { return fmt.Sprintf("127.%d.%d.2", b.n, k) }

// relay is the address at which the caller-th workload reaches the called-th through a relay.
func (b *block) relay(caller, called int) string {
	return fmt.Sprintf("127.%d.%d.%d", b.n, caller, firstRelay+called)
}

// firstRelay keeps relays' addresses clear of sidecar and app.
const firstRelay = 3

// maxWorkloads is how many workloads a block has room for.
const maxWorkloads = 250
