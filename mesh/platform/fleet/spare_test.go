package fleet

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/config"
	"github.com/squallmesh/squall/mesh/platform"
)

// deployments are two whose instances are this program.
const deployments = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: late}
spec: {replicas: 0, selector: {matchLabels: {app: late}}, template: {metadata: {labels: {app: late}}, spec: {containers: [{name: app}]}}}
`

// planned gives a lab that knows its pods and has started none. late is the program of the second Deployment.
func planned(added map[string]int, late string) (*Lab, error) {
	app := &config.App{
		Manifests: []config.File{{Name: "app.yaml", Data: []byte(deployments)}},
		Run:       map[string]config.Run{"web": {Command: []string{"{{.Squall}}"}}, "late": {Command: []string{late}}},
	}
	l := newLab(nowhere{}, platform.Spec{App: app, Added: added})
	return l, l.plan()
}

// nowhere is a host that runs nothing.
type nowhere struct{ Host }

func (nowhere) Info() platform.Info { return platform.Kind.Info() }

// What a timeline will ask for is run with the rest, and is nobody's until it is asked for.
func TestPodsThatWillBeAskedForAreRunAheadOfTime(t *testing.T) {
	l, err := planned(map[string]int{"late": 2, "web": 1, "gone": 3}, "{{.Squall}}")
	require.NoError(t, err)
	var pods, instances []string
	for _, m := range l.pods() {
		pods = append(pods, m.pod.Key())
	}
	for _, i := range l.Instances() {
		instances = append(instances, i.Name)
	}
	slices.Sort(pods[2:])
	require.Equal(t, []string{
		"istio-system/squall-mesh", "istio-system/istio-ingressgateway", "default/late-0", "default/late-1", "default/web-0", "default/web-1",
	}, pods)
	require.Equal(t, []string{"istio-ingressgateway", "web-0"}, instances)
	require.Equal(t, "late-1", l.takeSpare("late-1").Name)
	require.Nil(t, l.takeSpare("late-1"), "it is taken")
	require.Nil(t, l.takeSpare("late-2"), "more were not asked for")
}

func TestPodsWithoutNeedAreNotRun(t *testing.T) {
	l, err := planned(map[string]int{"web": 0}, "{{.Squall}}")
	require.NoError(t, err)
	require.Len(t, l.pods(), 3)
}

// A program that no image has is refused before anything runs, also of a Deployment that has no instance yet.
func TestProgramsOfThisMachineAreRefusedAheadOfTime(t *testing.T) {
	_, err := planned(map[string]int{"late": 1}, "/bin/app")
	require.ErrorContains(t, err, "late runs a program of this machine (/bin/app), which no container on kind has")
	_, err = planned(nil, "/bin/app")
	require.NoError(t, err, "nobody will ask for it")
}
