package docker

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"

	"github.com/squallmesh/squall/mesh/platform/image"
)

// reaperVariable switches the reaper of testcontainers off. There is no option for it.
const reaperVariable = "TESTCONTAINERS_RYUK_DISABLED"

// connect gives a client of Docker.
func connect(ctx context.Context) (*client.Client, error) {
	c, err := client.New(client.FromEnv)
	if err != nil {
		return nil, fmt.Errorf("Docker: %w", err)
	}
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("Docker does not answer: %w", err)
	}
	return c, nil
}

// prepare makes testcontainers say nothing, and do without its reaper where the reaper's image is not there: containers have a lease of their
// own.
func prepare(ctx context.Context, c *client.Client) error {
	log.SetDefault(quiet{})
	if _, err := c.ImageInspect(ctx, testcontainers.ReaperDefaultImage); err == nil { //nolint:staticcheck // nothing else tells which image
		return nil
	}
	return os.Setenv(reaperVariable, "true")
}

// starting is how long a lab may take to have containers that run.
const starting = time.Minute

// sweep removes what labs left that were killed: containers that have ended, and networks without any.
func sweep(ctx context.Context, c *client.Client) error {
	list, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", Label)})
	if err != nil {
		return fmt.Errorf("containers: %w", err)
	}
	living := map[string]bool{}
	for _, one := range list.Items {
		if one.State == "running" || time.Since(time.Unix(one.Created, 0)) < starting {
			living[one.Labels[Label]] = true
		}
	}
	for _, one := range list.Items {
		if living[one.Labels[Label]] {
			continue // its lab may be starting
		}
		_, err := c.ContainerRemove(ctx, one.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
			return fmt.Errorf("a container that a lab left: %w", err)
		}
	}
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{Filters: client.Filters{}.Add("label", Label)})
	if err != nil {
		return fmt.Errorf("networks: %w", err)
	}
	for _, n := range networks.Items {
		if name := n.Labels[Label]; name == n.Name && !living[name] && n.Name != kindNetwork && time.Since(n.Created) > starting {
			_, err := c.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
			if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsPermissionDenied(err) && !errdefs.IsConflict(err) {
				return fmt.Errorf("a network that a lab left: %w", err)
			}
		}
	}
	return nil
}

// removeImages takes away the images of labs that no container uses: each build of squall has one of its own.
func removeImages(ctx context.Context, c *client.Client) error {
	list, err := c.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.Add("reference", image.Repository)})
	if err != nil {
		return fmt.Errorf("images of labs: %w", err)
	}
	for _, one := range list.Items {
		for _, tag := range one.RepoTags {
			_, err := c.ImageRemove(ctx, tag, client.ImageRemoveOptions{PruneChildren: true})
			if err != nil && !errdefs.IsNotFound(err) && !errdefs.IsConflict(err) {
				return fmt.Errorf("image %s: %w", tag, err)
			}
		}
	}
	return nil
}

// kindNetwork is not a lab's.
const kindNetwork = "squall"
