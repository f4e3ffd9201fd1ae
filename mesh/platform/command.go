package platform

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"

	"github.com/squallmesh/squall/mesh/model"
)

// Values are what a command's template may name.
type Values struct {
	// Squall is the path of this program where the command runs.
	Squall string
	// Address and Port are where the app must listen; Port is its first port.
	Address string
	Port    uint32
	// ControlSocket is a socket path for apps that take orders.
	ControlSocket string
	// Reach gives what to connect to for a TCP service.
	Reach func(service string, port uint32) (string, error)
}

// Upstream gives what to connect to for a TCP service.
func (v Values) Upstream(service string, port int) (string, error) {
	return v.Reach(service, uint32(port))
}

// Expand fills the templates of a command's words.
func Expand(command []string, v Values) ([]string, error) {
	out := make([]string, len(command))
	for n, word := range command {
		t, err := template.New("command").Option("missingkey=error").Parse(word)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, v); err != nil {
			return nil, err
		}
		out[n] = b.String()
	}
	return out, nil
}

// ServiceAddress gives host:port of a service by its full name or the beginning of it, where the kernel redirects what is sent there.
func ServiceAddress(services []*model.Service, service string, port uint32) (string, error) {
	for _, s := range services {
		if _, ok := s.Port(port); ok && (s.Host == service || strings.HasPrefix(s.Host, service+".")) {
			return fmt.Sprintf("%s:%d", s.Host, port), nil
		}
	}
	return "", fmt.Errorf("no TCP service %s has a port %d", service, port)
}
