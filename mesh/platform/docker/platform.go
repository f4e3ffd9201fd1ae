package docker

import (
	"context"
	"errors"

	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/fleet"
)

// Options of the platform.
type Options struct {
	// Programs are those of the labs' image, by their paths there.
	Programs map[string]string
}

// Platform runs labs as containers, each in a network of its own. Nothing of a lab stays.
type Platform struct{ Options Options }

// Info is Docker's.
func (Platform) Info() platform.Info { return platform.Docker.Info() }

// Start brings a lab up.
func (p Platform) Start(ctx context.Context, s platform.Spec) (platform.Deployment, error) {
	h, err := newHost(ctx, p.Options)
	if err != nil {
		return nil, err
	}
	l, err := fleet.Start(ctx, h, s)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Clean removes what labs left whose programs were killed: networks without containers. Containers end themselves when nobody asks
// their agents for anything any more. Images that nobody uses go too.
func Clean(ctx context.Context) error {
	c, err := connect(ctx)
	if err != nil {
		return err
	}
	return errors.Join(sweep(ctx, c), removeImages(ctx, c), c.Close())
}
