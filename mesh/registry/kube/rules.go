package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/squallmesh/squall/mesh"
	"github.com/squallmesh/squall/mesh/config"
)

// Sink takes changes, and returns when they are effective.
type Sink interface {
	Apply(context.Context, mesh.ApplyRequest) (mesh.ApplyResponse, error)
}

// Options of a watch.
type Options struct {
	Client dynamic.Interface
	Sink   Sink
	// Told is called with what came of each change, "VirtualService shop/reviews" or "the end of VirtualService shop/reviews"; nil is nobody.
	Told func(what string, err error)
	// Election decides which of several that watch a cluster writes the status of rules; nil is for one that is alone. All of them give rules to
	// their sinks.
	Election *Candidate
}

// key is an object.
type key struct {
	kind            int
	namespace, name string
}

// of names the object for people.
func (k key) of(kind string) string { return kind + " " + k.namespace + "/" + k.name }

// watch is one in progress.
type watch struct {
	opts      Options
	informers []cache.SharedIndexInformer
	queue     workqueue.TypedRateLimitingInterface[key]

	// leading says that status is this watch's to write.
	leading atomic.Bool

	// applied is what came of the generations that have been dealt with, by one goroutine.
	applied map[key]outcome
}

// outcome is what came of a generation of an object, by a number of proxies.
type outcome struct {
	generation int64
	proxies    int
	err        error
	// reported says that it has been written into the status.
	reported bool
}

// Watch gives the sink all rules of the cluster, and their changes until the context ends. The cluster must know the kinds (Install).
func Watch(ctx context.Context, o Options) error {
	if o.Told == nil {
		o.Told = func(string, error) {}
	}
	w := &watch{
		opts: o, applied: map[key]outcome{},
		queue: workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[key]()),
	}
	factory := dynamicinformer.NewDynamicSharedInformerFactory(o.Client, 0)
	for n, k := range kinds() {
		i := factory.ForResource(k.resource()).Informer()
		if _, err := i.AddEventHandler(w.handler(n)); err != nil {
			return fmt.Errorf("watch %s: %w", k.name, err)
		}
		w.informers = append(w.informers, i)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	var working sync.WaitGroup
	working.Go(func() { w.work(ctx) })
	working.Go(func() { w.lead(ctx) })
	<-ctx.Done()
	w.queue.ShutDown()
	working.Wait()
	return nil
}

func (w *watch) handler(n int) cache.ResourceEventHandler {
	add := func(o any) {
		if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = gone.Obj
		}
		if u, ok := o.(*unstructured.Unstructured); ok {
			w.queue.Add(key{n, u.GetNamespace(), u.GetName()})
		}
	}
	return cache.ResourceEventHandlerFuncs{AddFunc: add, UpdateFunc: func(_, o any) { add(o) }, DeleteFunc: add}
}

// lead is the watch's part in the election. Who takes over writes what the one before may not have come to.
func (w *watch) lead(ctx context.Context) {
	if w.opts.Election == nil {
		w.leading.Store(true)
		w.again()
		return
	}
	for ctx.Err() == nil {
		err := w.opts.Election.Run(ctx, func(leads bool) {
			w.leading.Store(leads)
			if leads {
				w.again()
			}
		}, nil)
		if err != nil {
			w.opts.Told("the status of rules", err)
			return
		}
	}
}

// again looks at all objects once more.
func (w *watch) again() {
	for n, i := range w.informers {
		for _, o := range i.GetStore().List() {
			if u, ok := o.(*unstructured.Unstructured); ok {
				w.queue.Add(key{n, u.GetNamespace(), u.GetName()})
			}
		}
	}
}

// work deals with changes, one after the other.
func (w *watch) work(ctx context.Context) {
	for {
		k, down := w.queue.Get()
		if down {
			return
		}
		switch err := w.reconcile(ctx, k); {
		case ctx.Err() != nil:
		case err != nil:
			w.queue.AddRateLimited(k)
		default:
			w.queue.Forget(k)
		}
		w.queue.Done(k)
	}
}

// reconcile makes the mesh know what the cluster does of one object. An error is tried again.
func (w *watch) reconcile(ctx context.Context, k key) error {
	o, there, err := w.informers[k.kind].GetStore().GetByKey(k.namespace + "/" + k.name)
	if err != nil {
		return err
	}
	name := kinds()[k.kind].name
	if !there {
		if _, known := w.applied[k]; !known {
			return nil
		}
		delete(w.applied, k)
		_, err := w.opts.Sink.Apply(ctx, mesh.ApplyRequest{Remove: []mesh.Reference{{Kind: name, Namespace: k.namespace, Name: k.name}}})
		w.opts.Told("the end of "+k.of(name), err)
		return nil // what others made of it is told
	}
	u := o.(*unstructured.Unstructured) //nolint:forcetypeassert // of this informer
	out := w.applied[k]
	if out.generation != u.GetGeneration() { // else its status has changed, or its labels
		file, err := document(name, u)
		if err != nil {
			return err
		}
		resp, err := w.opts.Sink.Apply(ctx, mesh.ApplyRequest{Files: []config.File{file}})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		out = outcome{generation: u.GetGeneration(), proxies: len(resp.Report.Proxies), err: err}
		w.applied[k] = out
		w.opts.Told(k.of(name), err)
	}
	if out.reported || !w.leading.Load() {
		return nil
	}
	err = w.report(ctx, k, u, out)
	switch {
	case apierrors.IsConflict(err): // somebody has changed it meanwhile: it comes again
		return nil
	case err != nil && !apierrors.IsNotFound(err):
		return err
	}
	out.reported = true
	w.applied[k] = out
	return nil
}

// document is an object as a user would write it.
func document(kind string, u *unstructured.Unstructured) (config.File, error) {
	metadata := map[string]any{"name": u.GetName(), "namespace": u.GetNamespace()}
	if l := u.GetLabels(); len(l) > 0 {
		metadata["labels"] = l
	}
	text, err := json.MarshalIndent(map[string]any{"apiVersion": u.GetAPIVersion(), "kind": kind, "metadata": metadata, "spec": u.Object["spec"]}, "", " ")
	return config.File{Name: fmt.Sprintf("%s %s/%s", kind, u.GetNamespace(), u.GetName()), Data: text}, err
}

// condition is the type of what is written into the status.
const condition = "Effective"

// report writes what came of an object into its status.
func (w *watch) report(ctx context.Context, k key, u *unstructured.Unstructured, out outcome) error {
	status, reason := "True", "Effective"
	message := fmt.Sprintf("generation %d is live on %d proxies", u.GetGeneration(), out.proxies)
	if out.err != nil {
		status, reason, message = "False", "Failed", out.err.Error()
		if e, ok := errors.AsType[*mesh.ApplyError](out.err); ok {
			reason = map[string]string{mesh.KindInvalid: "Invalid", mesh.KindRejected: "Rejected", mesh.KindLate: "Late"}[e.Kind]
			if reason == "" {
				reason = "Failed"
			}
		}
	}
	u = u.DeepCopy()
	u.Object["status"] = map[string]any{
		"observedGeneration": u.GetGeneration(),
		"conditions": []any{map[string]any{
			"type": condition, "status": status, "reason": reason, "message": message,
			"observedGeneration": u.GetGeneration(), "lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
		}},
	}
	_, err := w.opts.Client.Resource(kinds()[k.kind].resource()).Namespace(k.namespace).UpdateStatus(ctx, u, meta.UpdateOptions{})
	return err
}
