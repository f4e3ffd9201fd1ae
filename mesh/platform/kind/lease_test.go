package kind

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"

	"github.com/squallmesh/squall/mesh/registry/kube"
)

// lab is a candidate for a cluster's lease.
func lab(client *fake.Clientset, name string) kube.Candidate {
	return kube.Candidate{Client: client, Namespace: systemNamespace, Name: labLease, Identity: name, LeaseTime: time.Second}
}

// nobody is told of no other lab.
func nobody(t *testing.T) func(string) {
	t.Helper()
	return func(line string) { t.Error(line) }
}

func TestLabsTakeTurnsInACluster(t *testing.T) {
	client := fake.NewClientset()
	first, err := acquire(t.Context(), lab(client, "lab one"), nobody(t))
	require.NoError(t, err)

	hasty, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, context.DeadlineExceeded)
	defer cancel()
	_, err = acquire(hasty, lab(client, "lab two"), func(string) {})
	require.EqualError(t, err, "another lab is in the cluster (lab one): context deadline exceeded")

	told := make(chan string, 1)
	got := make(chan *lease, 1)
	go func() {
		l, err := acquire(t.Context(), lab(client, "lab three"), func(line string) { told <- line })
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	require.Equal(t, "waiting for another lab in the cluster (lab one)", <-told)
	first.release()
	(<-got).release()
	select {
	case <-first.lost:
		t.Error("it was given up, and not lost")
	default:
	}
}

// A lab that was stopped for long finds another one in the cluster when it goes on.
func TestALabLearnsThatItsLeaseIsLost(t *testing.T) {
	client := fake.NewClientset()
	l, err := acquire(t.Context(), lab(client, "lab one"), nobody(t))
	require.NoError(t, err)
	defer l.release()
	api := client.CoordinationV1().Leases(systemNamespace)
	held, err := api.Get(t.Context(), labLease, meta.GetOptions{})
	require.NoError(t, err)
	held.Spec.HolderIdentity = new("lab two")
	_, err = api.Update(t.Context(), held, meta.UpdateOptions{})
	require.NoError(t, err)
	client.PrependReactor("update", "leases", func(kubetesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, labLease, nil)
	})
	select {
	case <-l.lost:
	case <-time.After(20 * time.Second):
		t.Fatal("it still believes that the cluster is its own")
	}
}

func TestALeaseThatCannotBeReadIsAnError(t *testing.T) {
	client := fake.NewClientset()
	client.PrependReactor("get", "leases", func(kubetesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, labLease, nil)
	})
	_, err := acquire(t.Context(), lab(client, "lab one"), nobody(t))
	require.ErrorContains(t, err, "the cluster's lease: leases \"squall-lab\" is forbidden")
}

func TestLabsOfAProcessHaveNamesOfTheirOwn(t *testing.T) {
	one, err := holder()
	require.NoError(t, err)
	two, err := holder()
	require.NoError(t, err)
	require.NotEqual(t, one, two, "the same name would be taken for the holder's")
}
