package live

import (
	"context"
	"errors"
)

// keep leaves the mesh up, with an address that people can reach, for as long as somebody wants it or until it breaks.
func (r *runner) keep(ctx context.Context) (err error) {
	front, err := r.own.OpenFront(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, front.Close()) }()
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
	r.opts.Keep(wanted, r.run, front.Address)
	return nil
}
