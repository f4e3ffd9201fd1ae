package inject

import (
	"fmt"

	core "k8s.io/api/core/v1"

	"github.com/squallmesh/squall/mesh/platform/fleet"
)

// The names of what a pod gets.
const (
	InitName  = "squall-init"
	ProxyName = "istio-proxy"
	// TokenSecret holds what agents want to hear, in each namespace that has pods.
	TokenSecret = "squall-agents"
	// TokenKey is its key in there.
	TokenKey = "token"
)

// tokenDir is where the proxy's container finds the secret.
const tokenDir = "/etc/squall"

// Init is a container that sets the pod's network up before the others start, with the arguments of squall init-net.
func Init(image string, args ...string) core.Container {
	return core.Container{
		Name: InitName, Image: image, ImagePullPolicy: core.PullNever,
		Command: append([]string{fleet.Squall, "init-net"}, args...),
		SecurityContext: &core.SecurityContext{
			RunAsUser: new(int64(0)), RunAsGroup: new(int64(0)), RunAsNonRoot: new(false), AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
			Capabilities: &core.Capabilities{Drop: []core.Capability{"ALL"}, Add: []core.Capability{"NET_ADMIN"}},
		},
	}
}

// Agent is a container with the agent of an Envoy, or of a control plane, which is reached at a port. run and token are the volumes for its
// sockets and with the secret.
func Agent(name, image string, port int, run, token string) core.Container {
	return core.Container{
		Name: name, Image: image, ImagePullPolicy: core.PullNever,
		Command: []string{fleet.Squall, "agent", "--socket", fleet.ProxySocket, "--tunnel", fmt.Sprintf("$(POD_IP):%d", port), "--token-file", fleet.TokenFile},
		Env:     []core.EnvVar{{Name: "POD_IP", ValueFrom: &core.EnvVarSource{FieldRef: &core.ObjectFieldSelector{FieldPath: "status.podIP"}}}},
		VolumeMounts: []core.VolumeMount{
			{Name: run, MountPath: fleet.RunDir},
			{Name: token, MountPath: tokenDir, ReadOnly: true},
		},
		SecurityContext: Unprivileged(fleet.ProxyUser),
	}
}

// Unprivileged is for a container of a user that needs nothing.
func Unprivileged(user int64) *core.SecurityContext {
	return &core.SecurityContext{
		RunAsUser: &user, RunAsGroup: &user, RunAsNonRoot: new(true), AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
		Capabilities: &core.Capabilities{Drop: []core.Capability{"ALL"}},
	}
}
