package netns

import "errors"

// ErrUnsupported says that this system has no network namespaces.
var ErrUnsupported = errors.New("network namespaces exist on Linux alone")

// ErrClosed is returned for a namespace that has been closed.
var ErrClosed = errors.New("the network namespace is closed")

// Mark is the SO_MARK of a sidecar's own connections, which the kernel does not redirect. It is the number of Istio's user.
const Mark = 1337
