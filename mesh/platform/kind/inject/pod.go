package inject

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/squallmesh/squall/mesh/agent"
	"github.com/squallmesh/squall/mesh/platform/fleet"
)

// The labels and annotations by which Istio's users say what they want.
const (
	// NamespaceLabel of a namespace, with the value NamespaceEnabled, asks for sidecars in all of its pods.
	NamespaceLabel   = "istio-injection"
	NamespaceEnabled = "enabled"
	// PodLabel of a pod, "true" or "false", is asked before the namespace's; an annotation of the same name will do.
	PodLabel = "sidecar.istio.io/inject"

	excludeInbound = "traffic.sidecar.istio.io/excludeInboundPorts"
	proxyCPU       = "sidecar.istio.io/proxyCPU"
	proxyCPULimit  = "sidecar.istio.io/proxyCPULimit"
	proxyMemory    = "sidecar.istio.io/proxyMemory"
	proxyMemLimit  = "sidecar.istio.io/proxyMemoryLimit"
)

// SidecarAnnotation says of which image a pod's sidecar is.
const SidecarAnnotation = "squall.dev/sidecar"

// The volumes that a pod gets.
const (
	runVolume   = "squall-run"
	tokenVolume = "squall-token"
)

// known are the annotations of Istio that are kept to.
func known() []string {
	return []string{PodLabel, "sidecar.istio.io/status", excludeInbound, proxyCPU, proxyCPULimit, proxyMemory, proxyMemLimit}
}

// Wanted tells whether a pod for which the webhook was called shall have a sidecar.
func Wanted(p *core.Pod) bool {
	says := p.Labels[PodLabel]
	if says == "" {
		says = p.Annotations[PodLabel]
	}
	return !strings.EqualFold(says, "false") && !p.Spec.HostNetwork && !Has(p)
}

// Has tells whether a pod has a sidecar.
func Has(p *core.Pod) bool {
	named := func(c core.Container) bool { return c.Name == ProxyName }
	return slices.ContainsFunc(p.Spec.Containers, named) || slices.ContainsFunc(p.Spec.InitContainers, named)
}

// Add gives a pod the sidecar, in place. Warnings are for who made the pod. An error says what the pod asks for and cannot have.
func Add(p *core.Pod, image string) (warnings []string, err error) {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(p.Annotations)) {
		group, _, _ := strings.Cut(name, "/")
		if slices.Contains([]string{"sidecar.istio.io", "traffic.sidecar.istio.io", "proxy.istio.io", "inject.istio.io"}, group) && !slices.Contains(known(), name) {
			problems = append(problems, fmt.Sprintf("annotation %s is not supported", name))
		}
	}
	args := []string{"--user", fmt.Sprint(fleet.ProxyUser)}
	if list := p.Annotations[excludeInbound]; list != "" {
		args = append(args, "--exclude-inbound", list)
	}
	needs, err := resources(p.Annotations)
	if err != nil {
		problems = append(problems, err.Error())
	}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		user := p.Spec.SecurityContext
		if s := c.SecurityContext; s != nil && s.RunAsUser != nil && *s.RunAsUser == fleet.ProxyUser || user != nil && user.RunAsUser != nil && *user.RunAsUser == fleet.ProxyUser && (s == nil || s.RunAsUser == nil) {
			problems = append(problems, fmt.Sprintf("container %s runs as user %d, the sidecar's: its traffic would go past the sidecar", c.Name, fleet.ProxyUser))
		}
		for what, probe := range map[string]*core.Probe{"livenessProbe": c.LivenessProbe, "readinessProbe": c.ReadinessProbe, "startupProbe": c.StartupProbe} {
			if probe != nil && (probe.HTTPGet != nil || probe.TCPSocket != nil || probe.GRPC != nil) {
				warnings = append(warnings, fmt.Sprintf("squall: the %s of container %s passes the sidecar in plain text, which mode STRICT refuses; exec probes do not", what, c.Name))
			}
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("squall cannot give this pod a sidecar: %s; label it %s=false to do without one", strings.Join(problems, "; "), PodLabel)
	}
	slices.Sort(warnings)
	proxy := Agent(ProxyName, image, fleet.AgentPort, runVolume, tokenVolume)
	proxy.RestartPolicy = new(core.ContainerRestartPolicyAlways)
	proxy.Resources = needs
	ready := core.ProbeHandler{HTTPGet: &core.HTTPGetAction{Path: agent.ReadyPath, Port: intstr.FromInt32(fleet.AgentPort)}}
	// The app starts when the Envoy takes traffic, however long a lab is waited for; and the pod is not ready without.
	proxy.StartupProbe = &core.Probe{ProbeHandler: ready, PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 1 << 20}
	proxy.ReadinessProbe = &core.Probe{ProbeHandler: ready, PeriodSeconds: 1, TimeoutSeconds: 5, FailureThreshold: 5}
	p.Spec.InitContainers = append([]core.Container{Init(image, args...), proxy}, p.Spec.InitContainers...)
	p.Spec.Volumes = append(p.Spec.Volumes,
		core.Volume{Name: runVolume, VolumeSource: core.VolumeSource{EmptyDir: &core.EmptyDirVolumeSource{}}},
		// No other container mounts it, and the pod's files have no group of the proxy's.
		core.Volume{Name: tokenVolume, VolumeSource: core.VolumeSource{Secret: &core.SecretVolumeSource{SecretName: TokenSecret, DefaultMode: new(int32(0o444))}}},
	)
	if p.Annotations == nil {
		p.Annotations = map[string]string{}
	}
	p.Annotations[SidecarAnnotation] = image
	return warnings, nil
}

// resources reads what the annotations ask for the sidecar.
func resources(annotations map[string]string) (core.ResourceRequirements, error) {
	var out core.ResourceRequirements
	for _, one := range []struct {
		annotation string
		of         core.ResourceName
		to         *core.ResourceList
	}{
		{proxyCPU, core.ResourceCPU, &out.Requests},
		{proxyMemory, core.ResourceMemory, &out.Requests},
		{proxyCPULimit, core.ResourceCPU, &out.Limits},
		{proxyMemLimit, core.ResourceMemory, &out.Limits},
	} {
		text := annotations[one.annotation]
		if text == "" {
			continue
		}
		q, err := resource.ParseQuantity(text)
		if err != nil {
			return out, fmt.Errorf("annotation %s: %q is no quantity", one.annotation, text)
		}
		if *one.to == nil {
			*one.to = core.ResourceList{}
		}
		(*one.to)[one.of] = q
	}
	return out, nil
}
