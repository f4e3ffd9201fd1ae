package inject

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	admission "k8s.io/api/admission/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Path is where the cluster asks.
const Path = "/inject"

// maxReview bounds a request, in bytes.
const maxReview = 4 << 20

// Server answers the cluster.
type Server struct {
	// Image is that of the sidecars.
	Image string
	// Prepare makes a namespace ready for sidecars, before the first pod of it has one.
	Prepare func(ctx context.Context, namespace string) error
	// Log takes what is refused; nil discards.
	Log *slog.Logger
}

// Serve answers with a certificate until the context ends. It closes the listener.
func (s Server) Serve(ctx context.Context, l net.Listener, certificate tls.Certificate) error {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.Handle("POST "+Path, s)
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx },
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate}},
		ErrorLog:  slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the webhook's port: %w", err)
	}
	return nil
}

// ServeHTTP answers one review of a pod that is to be made.
func (s Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	var review admission.AdmissionReview
	if err == nil {
		err = json.Unmarshal(body, &review)
	}
	if err == nil && review.Request == nil {
		err = errors.New("there is no request in it")
	}
	if err != nil {
		http.Error(w, "this is no review: "+err.Error(), http.StatusBadRequest)
		return
	}
	answer := s.review(r.Context(), review.Request)
	answer.UID = review.Request.UID
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(admission.AdmissionReview{TypeMeta: review.TypeMeta, Response: answer})
}

func (s Server) review(ctx context.Context, r *admission.AdmissionRequest) *admission.AdmissionResponse {
	refuse := func(err error) *admission.AdmissionResponse {
		s.Log.Warn("refused", "namespace", r.Namespace, "error", err)
		return &admission.AdmissionResponse{Result: &meta.Status{Message: err.Error(), Code: http.StatusBadRequest}}
	}
	var p core.Pod
	if err := json.Unmarshal(r.Object.Raw, &p); err != nil {
		return refuse(fmt.Errorf("the pod cannot be read: %w", err))
	}
	if !Wanted(&p) {
		return &admission.AdmissionResponse{Allowed: true}
	}
	warnings, err := Add(&p, s.Image)
	if err != nil {
		return refuse(err)
	}
	if r.DryRun == nil || !*r.DryRun {
		if err := s.Prepare(ctx, r.Namespace); err != nil {
			return refuse(fmt.Errorf("squall: namespace %s: %w", r.Namespace, err))
		}
	}
	patch, err := patchOf(&p)
	if err != nil {
		return refuse(err)
	}
	return &admission.AdmissionResponse{Allowed: true, Warnings: warnings, PatchType: new(admission.PatchTypeJSONPatch), Patch: patch}
}

// patchOf replaces what Add changes. What a pod that is to be made has there is given whole.
func patchOf(p *core.Pod) ([]byte, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	return json.Marshal([]operation{
		{"add", "/metadata/annotations", p.Annotations},
		{"add", "/spec/initContainers", p.Spec.InitContainers},
		{"add", "/spec/volumes", p.Spec.Volumes},
	})
}
