package kind

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/squallmesh/squall/mesh/registry/kube"
)

// The Leases in the mesh's namespace: of the lab of the moment, and of who writes the status of rules.
const (
	labLease    = "squall-lab"
	statusLease = "squall-status"
)

// lease keeps the cluster for one lab.
type lease struct {
	stop context.CancelFunc
	done chan struct{}
	// lost is closed if the lease is another's before it was given up.
	lost chan struct{}
}

// acquire waits until no other lab is in the cluster. wait is told of the one that is.
func acquire(ctx context.Context, c kube.Candidate, wait func(string)) (*lease, error) {
	if _, err := c.Client.CoordinationV1().Leases(c.Namespace).Get(ctx, c.Name, meta.GetOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the cluster's lease: %w", err) // an election would try again for ever
	}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	one := &lease{stop: stop, done: make(chan struct{}), lost: make(chan struct{})}
	var mu sync.Mutex
	by := ""
	held := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		defer close(one.done)
		err := c.Run(keeping, func(leads bool) {
			if leads {
				close(held)
			}
		}, func(other string) {
			select {
			case <-held: // and lost since, which is told in another way
				return
			default:
			}
			mu.Lock()
			defer mu.Unlock()
			by = other
			wait(fmt.Sprintf("waiting for another lab in the cluster (%s)", other))
		})
		failed <- err
		if keeping.Err() == nil {
			close(one.lost)
		}
	}()
	select {
	case <-held:
		return one, nil
	case err := <-failed:
		one.release()
		return nil, err
	case <-ctx.Done():
		one.release()
		mu.Lock()
		defer mu.Unlock()
		return nil, fmt.Errorf("another lab is in the cluster (%s): %w", by, context.Cause(ctx))
	}
}

func (l *lease) release() {
	l.stop()
	<-l.done
}

// holder names one lab of this process.
func holder() (string, error) {
	name, err := os.Hostname()
	if err != nil {
		name = "a machine"
	}
	b := make([]byte, 2)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	return fmt.Sprintf("process %d on %s, lab %s", os.Getpid(), name, hex.EncodeToString(b)), nil
}
