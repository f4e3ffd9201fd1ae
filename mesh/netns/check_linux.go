package netns

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
)

// Check tries all that a lab of pods needs: namespaces, a mount, a pair of interfaces, and rules of the packet filter. It runs inside
// of what [Enter] makes. Nothing stays.
func Check() (err error) {
	node, err := NewNode(netip.MustParsePrefix("198.18.64.1/18"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	pod, err := New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pod.Close()) }()
	if err := node.Join(pod, "check", netip.MustParseAddr("198.18.64.2")); err != nil {
		return err
	}
	if err := pod.Capture(Capture{Outbound: 15001, Inbound: 15006, Source: netip.MustParseAddr("127.0.0.6")}); err != nil {
		return err
	}
	file, err := os.CreateTemp("", "squall-check-")
	if err != nil {
		return fmt.Errorf("a file to mount: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name()), file.Close()) }()
	return pod.Bind(file.Name(), "/etc/hosts")
}
