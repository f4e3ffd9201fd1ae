package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/envoy"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/docker"
	"github.com/squallmesh/squall/mesh/platform/kind"
	"github.com/squallmesh/squall/mesh/platform/local"
	"github.com/squallmesh/squall/mesh/platform/platformtest"
)

// platformRules open the gateway, and leave one version of the backend behind its service's name, without retries.
const platformRules = `{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: g}, spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}}
---
{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: backend}, spec: {host: backend, subsets: [{name: v1, labels: {version: v1}}]}}
---
{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: b}, spec: {hosts: ["*"], gateways: [g], http: [{retries: {attempts: 0}, route: [{destination: {host: backend, subset: v1, port: {number: 8080}}}]}]}}
`

// Every platform that this machine has passes the same cases, and each case rejects a platform that is broken. make test-platforms names
// docker and kind in SQUALL_PLATFORMS, and the image of kind's nodes in SQUALL_NODE_IMAGE.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	wanted := strings.FieldsFunc(os.Getenv("SQUALL_PLATFORMS"), func(r rune) bool { return r == ',' || r == ' ' })
	env, b, options := labOf(t)
	a, appDir, err := loadApp("backend")
	require.NoError(t, err)

	all := map[platform.Form]func(t *testing.T) platform.Platform{
		platform.Loopback: func(*testing.T) platform.Platform {
			return local.Platform{Options: options(platform.Loopback)}
		},
		platform.Pods: func(*testing.T) platform.Platform {
			return local.Platform{Options: options(platform.Pods)}
		},
		platform.Docker: func(t *testing.T) platform.Platform {
			t.Helper()
			if err := docker.Check(t.Context()); err != nil {
				t.Skip(err)
			}
			return docker.Platform{Options: docker.Options{Programs: imagePrograms(env.self, b)}}
		},
		platform.Kind: func(t *testing.T) platform.Platform {
			t.Helper()
			if err := kind.Check(t.Context()); err != nil {
				t.Skip(err)
			}
			o := kindOptions(env, "test", os.Getenv("SQUALL_NODE_IMAGE"))
			o.Programs = imagePrograms(env.self, b)
			t.Cleanup(func() {
				_, err := kind.Delete(context.Background(), o)
				require.NoError(t, err)
			})
			p := &kind.Platform{Options: o}
			require.NoError(t, p.Open(t.Context()))
			return p
		},
	}
	for _, form := range []platform.Form{platform.Loopback, platform.Pods, platform.Docker, platform.Kind} {
		t.Run(string(form), func(t *testing.T) {
			switch {
			case form == platform.Pods && env.outside == nil:
				insidePods(t, env)
				return
			case (form == platform.Docker || form == platform.Kind) && !slices.Contains(wanted, string(form)):
				t.Skipf("make test-platforms tries %s too", form)
			}
			starting, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			p := all[form](t)
			d, err := p.Start(starting, platform.Spec{
				App: a, AppDir: appDir, Exact: true, Rules: []config.File{{Name: "rules.yaml", Data: []byte(platformRules)}},
				Relayed: []platform.Pair{{From: platform.GatewayName, To: platformtest.Workload}},
			})
			require.NoError(t, err)
			for _, c := range platformtest.Cases() {
				require.NoError(t, c.Check(t.Context(), d), c.Name)
				for _, broken := range platformtest.BrokenOnes() {
					if broken.Case == c.Name {
						limited, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						require.Error(t, c.Check(limited, broken.Break(d)), "the case %q passes although %s", c.Name, broken.Name)
						cancel()
					}
				}
			}
			select {
			case err := <-d.Failed():
				require.NoError(t, err)
			default:
			}
			gateway := d.Instances()[0].Admin()
			require.NoError(t, d.Close())
			require.Error(t, gateway.Ready(t.Context()), "an Envoy is left")
			if form == platform.Kind {
				t.Run("injected", func(t *testing.T) { injected(t, env) })
			}
		})
	}
}

// labOf gives what labs of a test are made with, in a folder that goes with the test.
func labOf(t *testing.T) (env *environment, b envoy.Binary, options func(platform.Form) local.Options) {
	t.Helper()
	env = osEnvironment()
	env.self = program(t)
	var err error
	env.tempDir, err = os.MkdirTemp("", "sq") //nolint:usetesting // short paths for sockets
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(env.tempDir) })
	b, err = findEnvoy(t.Context(), env, "")
	if err != nil {
		t.Skipf("there is no Envoy: %v", err)
	}
	owner, dir, err := newOwner(env)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, owner.Close()) })
	return env, b, func(form platform.Form) local.Options { return labOptions(env, runFlags{form: form}, b, owner, dir) }
}

// insidePods runs this test once more, inside of namespaces, where labs of pods are.
func insidePods(t *testing.T, env *environment) {
	t.Helper()
	if err := tryPods(t.Context(), env); err != nil {
		t.Skipf("no pods on this machine: %v", err)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	var out bytes.Buffer
	inside := *env
	inside.stdout, inside.stderr = &out, &out
	require.NoError(t, enterPods(t.Context(), &inside, nil, self, "-test.run=^TestPlatforms$/^pods$", "-test.count=1"), "%s", &out)
	require.NotContains(t, out.String(), "no tests to run")
}

// injected brings Bookinfo up as Istio's users have it: plain manifests, applied with kubectl into a labelled namespace. A pod that came while
// nobody gave it a sidecar makes a run inconclusive.
func injected(t *testing.T, env *environment) {
	t.Helper()
	node := "squall-test-control-plane"
	kubectl := func(stdin []byte, args ...string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), "docker", append([]string{"exec", "-i", node, "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"}, args...)...)
		c.Stdin = bytes.NewReader(stdin)
		out, err := c.CombinedOutput()
		require.NoError(t, err, "kubectl %v: %s", args, out)
	}
	run := func() (code int, out string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), env.self, "run", "--platform", "kind", "--name", "test", "--injected", "../../scenarios/catalog/request-routing")
		text, err := c.CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit.ExitCode(), string(text)
		}
		require.NoError(t, err)
		return 0, string(text)
	}
	code, out := run()
	require.Equal(t, exitBroken, code, out)
	require.Contains(t, out, "the cluster has no pod of default/details-v1")

	manifests, err := os.ReadFile("../../bookinfo/manifests/bookinfo.yaml")
	require.NoError(t, err)
	kubectl(nil, "label", "namespace", "default", "istio-injection=enabled")
	kubectl(manifests, "apply", "-f", "-")
	code, out = run()
	require.Equal(t, exitPass, code, out)

	kubectl(nil, "--namespace=istio-system", "delete", "pod", "squall-mesh")
	kubectl(nil, "delete", "pod", "--selector=app=ratings")
	kubectl(nil, "wait", "--for=condition=Ready", "--timeout=60s", "pod", "--selector=app=ratings")
	code, out = run()
	require.Equal(t, exitInconclusive, code, out)
	require.Contains(t, out, "has no sidecar")
}

func TestBrokenPlatformsAreOfCases(t *testing.T) {
	cases := map[string]bool{}
	for _, c := range platformtest.Cases() {
		cases[c.Name] = true
	}
	rejecting := map[string]bool{}
	for _, b := range platformtest.BrokenOnes() {
		require.True(t, cases[b.Case], b.Name)
		rejecting[b.Case] = true
	}
	require.Equal(t, cases, rejecting, "every case has a platform that it rejects")
}
