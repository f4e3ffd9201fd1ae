package kind

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/kind/inject"
)

// Labels and annotations of what labs make.
const (
	labLabel  = "squall.dev/lab"
	hashLabel = "squall.dev/spec"
)

// nodeRelays are the addresses of relays in the network of a node: its kubelet lets nobody from 127.0.0.0/8's outside to addresses in there.
const nodeRelays = "198.18.2.1/24"

// manifest is a pod with its agents.
func (c *Cluster) manifest(p fleet.Pod) (*core.Pod, error) {
	labels := map[string]string{labLabel: "true"}
	maps.Copy(labels, p.Labels)
	pod := &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: p.Name, Namespace: p.Namespace, Labels: labels},
		Spec: core.PodSpec{
			ServiceAccountName:            account(p),
			AutomountServiceAccountToken:  new(false),
			EnableServiceLinks:            new(false),
			RestartPolicy:                 core.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64(2)),
			SecurityContext:               &core.PodSecurityContext{FSGroup: new(int64(fleet.ProxyUser))},
			Containers:                    []core.Container{c.proxy(p)},
			Volumes: []core.Volume{
				{Name: "run", VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}},
				{Name: "run-app", VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}},
				{Name: "token", VolumeSource: core.VolumeSource{Secret: &core.SecretVolumeSource{SecretName: inject.TokenSecret, DefaultMode: new(int32(0o440))}}},
			},
		},
	}
	if p.Kind == fleet.Workload {
		pod.Spec.InitContainers = []core.Container{inject.Init(c.image, "--user", fmt.Sprint(fleet.ProxyUser))}
		pod.Spec.Containers = append(pod.Spec.Containers, c.app())
	} else { // where this machine finds it
		switch p.Kind {
		case fleet.ControlPlane:
			c.addWebhook(pod)
		case fleet.Gateway:
			pod.Spec.InitContainers = []core.Container{inject.Init(c.image, "--addresses", nodeRelays)}
		}
		pod.Spec.HostNetwork = true
		pod.Spec.DNSPolicy = core.DNSClusterFirstWithHostNet
		pod.Spec.NodeSelector = map[string]string{"node-role.kubernetes.io/control-plane": ""}
		pod.Spec.Tolerations = []core.Toleration{{Operator: core.TolerationOpExists, Effect: core.TaintEffectNoSchedule}}
	}
	text, err := json.Marshal(pod)
	if err != nil {
		return nil, fmt.Errorf("pod %s: %w", p.Key(), err)
	}
	sum := sha256.Sum256(text)
	pod.Annotations = map[string]string{hashLabel: hex.EncodeToString(sum[:])}
	return pod, nil
}

func account(p fleet.Pod) string {
	if p.ServiceAccount == "" {
		return p.Name
	}
	return p.ServiceAccount
}

func (c *Cluster) app() core.Container {
	return core.Container{
		Name: "app", Image: c.image, ImagePullPolicy: core.PullNever,
		Command:         []string{fleet.Squall, "agent", "--socket", fleet.AppSocket},
		VolumeMounts:    []core.VolumeMount{{Name: "run-app", MountPath: fleet.AppDir}},
		SecurityContext: inject.Unprivileged(fleet.AppUser),
	}
}

// proxy is the container of the Envoy, or of the control plane.
func (c *Cluster) proxy(p fleet.Pod) core.Container {
	name := inject.ProxyName
	if p.Kind == fleet.ControlPlane {
		name = "discovery"
	}
	out := inject.Agent(name, c.image, p.Port(), "run", "token")
	out.VolumeMounts = append(out.VolumeMounts, core.VolumeMount{Name: "run-app", MountPath: fleet.AppDir})
	return out
}
