package kube

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
)

// LeaseTime is how long a Lease counts of whose holder nothing is heard, if a candidate says nothing else.
const LeaseTime = 15 * time.Second

// Candidate is one of those of whom one holds a Lease at a time.
type Candidate struct {
	Client kubernetes.Interface
	// Namespace and Name are the Lease's.
	Namespace, Name string
	// Identity names the candidate for people, and is no other's.
	Identity string
	// LeaseTime is how long the Lease counts of whose holder nothing is heard, whole seconds; 0 is the package's. A holder who cannot renew it for
	// four fifths of that has lost it. It is asked for, and renewed, thirty times in it.
	LeaseTime time.Duration
}

// Run is the candidate until the context ends, when it gives the Lease up for the next one, or until it has lost the Lease: then it returns
// before the context has ended. leads is called with true when it holds the Lease, and with false in the end. other is called with who else
// holds it; nil is nobody.
func (c Candidate) Run(ctx context.Context, leads func(bool), other func(identity string)) error {
	var mu sync.Mutex
	lasts := cmp.Or(c.LeaseTime, LeaseTime)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Name: c.Name,
		Lock: &resourcelock.LeaseLock{
			LeaseMeta: meta.ObjectMeta{Namespace: c.Namespace, Name: c.Name}, Client: c.Client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: c.Identity},
		},
		LeaseDuration: lasts, RenewDeadline: lasts * 4 / 5, RetryPeriod: lasts / 30, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) { // called beside all else, perhaps when it is over
				mu.Lock()
				defer mu.Unlock()
				if ctx.Err() == nil {
					leads(true)
				}
			},
			OnStoppedLeading: func() {
				mu.Lock()
				defer mu.Unlock()
				leads(false)
			},
			OnNewLeader: func(identity string) {
				if other != nil && identity != "" && identity != c.Identity {
					other(identity)
				}
			},
		},
	})
	if err != nil {
		return fmt.Errorf("the lease %s: %w", c.Name, err)
	}
	elector.Run(klog.NewContext(ctx, klog.Logger{})) // who leads is told by the callbacks
	return nil
}
