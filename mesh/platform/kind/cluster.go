package kind

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	osexec "os/exec"
	"slices"
	"strings"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/kind/pkg/exec"
	"sigs.k8s.io/kind/pkg/log"

	"github.com/squallmesh/squall/mesh/model"
	"github.com/squallmesh/squall/mesh/platform"
	"github.com/squallmesh/squall/mesh/platform/docker"
	"github.com/squallmesh/squall/mesh/platform/fleet"
	"github.com/squallmesh/squall/mesh/platform/image"
)

// The network of the clusters' nodes, and the addresses of their pods. Services have those that the model gives them.
const (
	network    = "squall"
	nodeSubnet = "198.18.1.0/24"
	podSubnet  = "198.18.64.0/18"
)

// networkVariable tells kind the network. There is no option for it.
const networkVariable = "KIND_EXPERIMENTAL_DOCKER_NETWORK"

// appImage is what manifests call the image, whose entry point is this program: Bookinfo's do.
const appImage = "squall:dev"

// readyTimeout bounds how long a new cluster may take to be ready.
const readyTimeout = 3 * time.Minute

// DefaultName is the cluster's if none is given.
const DefaultName = "squall"

// Options of a cluster.
type Options struct {
	// Name of the cluster; empty is DefaultName.
	Name string
	// NodeImage is of the nodes; empty is kind's own, which comes from a registry.
	NodeImage string
	// Kubeconfig is the file to write, which only its user may read; other files are left alone.
	Kubeconfig string
	// Programs are those of the labs' image, by their paths there.
	Programs map[string]string
	// Injected takes the pods with sidecars that others run in the cluster, in place of the app's.
	Injected bool
	// Progress takes lines for people; nil discards.
	Progress func(string)
}

func (o Options) info() platform.Info {
	i := platform.Kind.Info()
	i.Foreign = o.Injected
	return i
}

// Cluster is one that runs.
type Cluster struct {
	opts   Options
	config *rest.Config
	kube   kubernetes.Interface
	nodes  []nodes.Node
	image  string
	// here is this machine's address in the nodes' network, node that of the first node.
	here, node string
}

// Check tells why clusters cannot be made on this machine, or nil.
func Check(ctx context.Context) error {
	if _, err := osexec.LookPath("docker"); err != nil {
		return fmt.Errorf("kind calls the program docker: %w", err)
	}
	return docker.Check(ctx)
}

func (o Options) provider() *cluster.Provider {
	return cluster.NewProvider(cluster.ProviderWithDocker(), cluster.ProviderWithLogger(o.logger()))
}

func (o Options) logger() log.Logger {
	if o.Progress == nil {
		return log.NoopLogger{}
	}
	return logger{o.Progress}
}

// Open makes sure of a cluster, with the image of labs on its nodes.
func Open(ctx context.Context, o Options) (*Cluster, error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if err := Check(ctx); err != nil {
		return nil, err
	}
	gateway, err := docker.Network(ctx, network, netip.MustParsePrefix(nodeSubnet))
	if err != nil {
		return nil, err
	}
	if err := os.Setenv(networkVariable, network); err != nil {
		return nil, err
	}
	c := &Cluster{opts: o, here: gateway.String()}
	p := o.provider()
	there, err := p.List()
	if err != nil {
		return nil, fmt.Errorf("clusters of kind: %w", err)
	}
	if !slices.Contains(there, o.Name) {
		if err := o.create(ctx, p); err != nil {
			return nil, err
		}
	}
	if c.nodes, err = p.ListInternalNodes(o.Name); err != nil {
		return nil, fmt.Errorf("nodes of the cluster %s: %w", o.Name, err)
	}
	if err := c.connect(p); err != nil {
		return nil, err
	}
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	return c, c.load()
}

// create makes the cluster. One that does not get ready is taken away.
func (o Options) create(ctx context.Context, p *cluster.Provider) error {
	options := []cluster.CreateOption{
		cluster.CreateWithV1Alpha4Config(o.cluster()), cluster.CreateWithWaitForReady(readyTimeout), cluster.CreateWithKubeconfigPath(o.Kubeconfig),
		cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false),
	}
	if o.NodeImage != "" {
		options = append(options, cluster.CreateWithNodeImage(o.NodeImage))
	}
	made := make(chan error, 1)
	go func() { made <- p.Create(o.Name, options...) }()
	var err error
	select {
	case err = <-made:
	case <-ctx.Done(): // kind has no way to be stopped
		err = errors.Join(context.Cause(ctx), p.Delete(o.Name, o.Kubeconfig))
		<-made //nolint:errcheck // of what was deleted under its hands
		return errors.Join(err, p.Delete(o.Name, o.Kubeconfig))
	}
	if err != nil {
		hint := ""
		if o.NodeImage == "" {
			hint = "\nwithout a way to an image registry, load an image for nodes into Docker (docker load), and name it with --node-image"
		}
		return fmt.Errorf("the cluster %s could not be made: %w%s", o.Name, errors.Join(err, p.Delete(o.Name, o.Kubeconfig)), hint)
	}
	return nil
}

func (o Options) cluster() *v1alpha4.Cluster {
	return &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"}, Name: o.Name,
		Networking: v1alpha4.Networking{
			IPFamily: v1alpha4.IPv4Family, APIServerAddress: "127.0.0.1", PodSubnet: podSubnet, ServiceSubnet: model.ServiceBlock,
		},
		Nodes: []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole}},
	}
}

// connect makes the client, and finds the node.
func (c *Cluster) connect(p *cluster.Provider) error {
	text, err := p.KubeConfig(c.opts.Name, false)
	if err != nil {
		return fmt.Errorf("the cluster %s is there but cannot be reached: %w\nsquall down --platform kind takes it away", c.opts.Name, err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(text))
	if err != nil {
		return fmt.Errorf("the cluster %s: %w", c.opts.Name, err)
	}
	config.QPS, config.Burst = 200, 400 // the cluster is ours alone
	c.config = config
	if c.kube, err = kubernetes.NewForConfig(config); err != nil {
		return fmt.Errorf("the cluster %s: %w", c.opts.Name, err)
	}
	first, err := nodeutils.BootstrapControlPlaneNode(c.nodes)
	if err != nil {
		return fmt.Errorf("the cluster %s: %w", c.opts.Name, err)
	}
	if c.node, _, err = first.IP(); err != nil {
		return fmt.Errorf("the node %s: %w", first, err)
	}
	return nil
}

// readyPoll is how often the cluster's DNS server is asked for.
const readyPoll = 200 * time.Millisecond

// ready waits until the cluster knows names.
func (c *Cluster) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		d, err := c.kube.AppsV1().Deployments("kube-system").Get(ctx, "coredns", meta.GetOptions{})
		if err == nil && d.Status.AvailableReplicas > 0 {
			return nil
		}
		if err == nil {
			err = errors.New("its DNS server is not ready")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the cluster %s: %w\nsquall down --platform kind takes it away", c.opts.Name, err)
		case <-time.After(readyPoll):
		}
	}
}

// load brings the image to the nodes that lack it.
func (c *Cluster) load() error {
	i, err := image.New(c.opts.Programs, fleet.RunDir, fleet.AppDir)
	if err != nil {
		return err
	}
	c.image = i.Reference
	for _, n := range c.nodes {
		there, err := exec.Output(n.Command("ctr", "--namespace=k8s.io", "images", "list", "--quiet"))
		if err != nil {
			return fmt.Errorf("images of node %s: %w", n, err)
		}
		if slices.Contains(strings.Fields(string(there)), c.image) {
			if err := n.Command("ctr", "--namespace=k8s.io", "images", "tag", "--force", c.image, "docker.io/library/"+appImage).Run(); err != nil {
				return fmt.Errorf("the image of apps on node %s: %w", n, err)
			}
			continue
		}
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		written := make(chan error, 1)
		go func() { written <- errors.Join(i.Write(w, appImage), w.Close()) }()
		err = nodeutils.LoadImageArchive(n, r)
		_ = r.Close() // whoever still writes gets an error
		if err := errors.Join(err, <-written); err != nil {
			return fmt.Errorf("the image of labs on node %s: %w", n, err)
		}
	}
	return nil
}

// Delete takes a cluster away, with all labs in it, and the network if no other cluster is in it. One that is not there is none.
func Delete(ctx context.Context, o Options) (was bool, err error) {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if err := Check(ctx); err != nil {
		return false, err
	}
	p := o.provider()
	there, err := p.List()
	if err != nil {
		return false, fmt.Errorf("clusters of kind: %w", err)
	}
	was = slices.Contains(there, o.Name)
	if err := p.Delete(o.Name, o.Kubeconfig); err != nil {
		return was, fmt.Errorf("the cluster %s: %w", o.Name, err)
	}
	if len(there) == 0 || len(there) == 1 && was {
		_ = docker.RemoveNetwork(ctx, network) // others may be in it
	}
	if err := os.Remove(o.Kubeconfig); err != nil && !errors.Is(err, os.ErrNotExist) {
		return was, err
	}
	return was, nil
}
