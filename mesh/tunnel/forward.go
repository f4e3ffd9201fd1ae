package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
)

// Forward gives this machine's user a Unix socket that leads wherever dial does, until the context ends.
func Forward(ctx context.Context, path string, dial func(context.Context) (net.Conn, error)) error {
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var carrying sync.WaitGroup
	defer carrying.Wait()
	for {
		from, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // closed at the end
			}
			return fmt.Errorf("socket: %w", err)
		}
		carrying.Go(func() {
			to, err := dial(ctx)
			if err != nil {
				_ = from.Close() // which is what the caller sees of it
				return
			}
			end := context.AfterFunc(ctx, func() { _ = errors.Join(from.Close(), to.Close()) })
			defer end()
			join(from, to)
		})
	}
}
