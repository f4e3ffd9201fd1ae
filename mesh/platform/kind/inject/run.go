package inject

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Options of Run.
type Options struct {
	// Listen is the address, host:port.
	Listen string
	// Certificate is a folder with tls.crt and tls.key.
	Certificate string
	// Image is that of the sidecars, Token what their agents want to hear.
	Image, Token string
	// Log takes what is refused; nil discards.
	Log *slog.Logger
}

// Run is the webhook in a pod of the cluster, until the context ends.
func Run(ctx context.Context, o Options) error {
	certificate, err := tls.LoadX509KeyPair(filepath.Join(o.Certificate, core.TLSCertKey), filepath.Join(o.Certificate, core.TLSPrivateKeyKey))
	if err != nil {
		return fmt.Errorf("the webhook's certificate: %w", err)
	}
	config, err := rest.InClusterConfig()
	if err != nil {
		return fmt.Errorf("the cluster's API: %w", err)
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("the cluster's API: %w", err)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("the webhook's port: %w", err)
	}
	prepare := func(ctx context.Context, namespace string) error {
		_, err := kube.CoreV1().Secrets(namespace).Create(ctx, Secret(o.Token), meta.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	}
	return Server{Image: o.Image, Prepare: prepare, Log: o.Log}.Serve(ctx, l, certificate)
}

// Secret is what agents want to hear, for a namespace with pods.
func Secret(token string) *core.Secret {
	return &core.Secret{ObjectMeta: meta.ObjectMeta{Name: TokenSecret}, StringData: map[string]string{TokenKey: token}}
}
