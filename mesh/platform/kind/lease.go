package kind

import (
	"context"
	"fmt"
	"os"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// leaseName is of the Lease that the lab of the moment holds, leaseTime how long it counts without being renewed.
const (
	leaseName = "squall-lab"
	leaseTime = 10 * time.Second
)

// lease keeps the cluster for one lab.
type lease struct {
	kube   kubernetes.Interface
	holder string
	stop   context.CancelFunc
	done   chan struct{}
}

// acquire waits until no other lab is in the cluster.
func acquire(ctx context.Context, kube kubernetes.Interface, namespace, holder string, wait func(string)) (*lease, error) {
	api := kube.CoordinationV1().Leases(namespace)
	told := false
	for {
		now := meta.NewMicroTime(time.Now())
		seconds := int32(leaseTime / time.Second)
		spec := coordination.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now}
		l, err := api.Get(ctx, leaseName, meta.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			_, err = api.Create(ctx, &coordination.Lease{ObjectMeta: meta.ObjectMeta{Name: leaseName}, Spec: spec}, meta.CreateOptions{})
		case err != nil:
		case l.Spec.HolderIdentity == nil || *l.Spec.HolderIdentity == "" || expired(l):
			l.Spec = spec
			_, err = api.Update(ctx, l, meta.UpdateOptions{})
		default:
			if !told {
				told = true
				wait(fmt.Sprintf("waiting for another lab in the cluster (%s)", *l.Spec.HolderIdentity))
			}
			err = apierrors.NewConflict(coordination.Resource("leases"), leaseName, fmt.Errorf("another lab is in the cluster: %s", *l.Spec.HolderIdentity))
		}
		switch {
		case err == nil:
			keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
			one := &lease{kube: kube, holder: holder, stop: stop, done: make(chan struct{})}
			go one.keep(keeping, namespace)
			return one, nil
		case !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err):
			return nil, fmt.Errorf("the cluster's lease: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		case <-time.After(leaseTime / 20):
		}
	}
}

func expired(l *coordination.Lease) bool {
	return l.Spec.RenewTime == nil || time.Since(l.Spec.RenewTime.Time) > leaseTime
}

// keep renews the lease until the context ends, and gives it up then.
func (l *lease) keep(ctx context.Context, namespace string) {
	defer close(l.done)
	api := l.kube.CoordinationV1().Leases(namespace)
	put := func(ctx context.Context, holder string) {
		one, err := api.Get(ctx, leaseName, meta.GetOptions{})
		if err != nil || one.Spec.HolderIdentity == nil || *one.Spec.HolderIdentity != l.holder {
			return
		}
		now := meta.NewMicroTime(time.Now())
		one.Spec.HolderIdentity, one.Spec.RenewTime = &holder, &now
		_, _ = api.Update(ctx, one, meta.UpdateOptions{}) // the next try, or its end, will do
	}
	tick := time.NewTicker(leaseTime / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTime)
			defer cancel()
			put(ending, "")
			return
		case <-tick.C:
			put(ctx, l.holder)
		}
	}
}

func (l *lease) release() {
	l.stop()
	<-l.done
}

// holder names this process.
func holder() string {
	name, err := os.Hostname()
	if err != nil {
		name = "a machine"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), name)
}
