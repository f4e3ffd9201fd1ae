package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace with a mount namespace, held by a thread. Its methods may be called from several goroutines.
type Namespace struct {
	// net and home are the network namespaces of this and of the program.
	net, home *os.File
	jobs      chan func()
	ended     chan struct{}

	mu     sync.Mutex
	closed bool
}

// New makes a namespace that has nothing but its loopback interface, and sees the files that the program sees.
func New() (*Namespace, error) {
	home, err := current()
	if err != nil {
		return nil, err
	}
	n := &Namespace{home: home, jobs: make(chan func()), ended: make(chan struct{})}
	made := make(chan error)
	go n.hold(made)
	if err := <-made; err != nil {
		return nil, errors.Join(err, home.Close())
	}
	if err := n.Do(func() error { return up("lo") }); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// hold is the thread. It ends with the goroutine, since it is never unlocked, and what was forked on it gets its parent-death signal.
func (n *Namespace) hold(made chan<- error) {
	runtime.LockOSThread()
	defer close(n.ended)
	err := unshare()
	if err == nil {
		n.net, err = current()
	}
	made <- err
	if err != nil {
		return
	}
	for f := range n.jobs {
		f()
	}
}

func unshare() error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		return fmt.Errorf("a network namespace could not be made: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("a mount namespace could not be made private: %w", err)
	}
	return nil
}

// current opens the network namespace of the thread.
func current() (*os.File, error) {
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("a network namespace could not be opened: %w", err)
	}
	return f, nil
}

// Do runs f on the namespace's thread: what f forks lives in the namespace, and dies with it. f must not block for long: others
// wait. After Close it does not run.
func (n *Namespace) Do(f func() error) error {
	result := make(chan error, 1)
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return ErrClosed
	}
	n.jobs <- func() { result <- f() }
	n.mu.Unlock()
	return <-result
}

// Close gives the namespace up. It lives on as long as a process or a connection is in it.
func (n *Namespace) Close() error {
	n.mu.Lock()
	was := n.closed
	n.closed = true
	n.mu.Unlock()
	if was {
		return nil
	}
	close(n.jobs)
	<-n.ended
	return errors.Join(n.net.Close(), n.home.Close())
}

// visit runs f on a thread that is in the network namespace meanwhile. It may block: others do not wait.
func (n *Namespace) visit(f func() error) error {
	n.mu.Lock()
	closed := n.closed
	n.mu.Unlock()
	if closed {
		return ErrClosed
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := unix.Setns(int(n.net.Fd()), unix.CLONE_NEWNET); err != nil {
			runtime.UnlockOSThread()
			result <- fmt.Errorf("a network namespace could not be entered: %w", err)
			return
		}
		err := f()
		if unix.Setns(int(n.home.Fd()), unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread() // else the thread ends here
		}
		result <- err
	}()
	return <-result
}

// Dial connects from within the namespace to an IP address with a port. Mark is the connection's SO_MARK; 0 is none.
func (n *Namespace) Dial(ctx context.Context, network, address string, mark int) (c net.Conn, err error) {
	d := net.Dialer{Control: marking(mark)}
	visited := n.visit(func() error {
		c, err = d.DialContext(ctx, network, address)
		return nil
	})
	if visited != nil {
		return nil, visited
	}
	return c, err
}

func marking(mark int) func(string, string, syscall.RawConn) error {
	if mark == 0 {
		return nil
	}
	return func(_, _ string, raw syscall.RawConn) error {
		var err error
		outer := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark) })
		return errors.Join(outer, err)
	}
}

// Listen opens a stream socket in the namespace.
func (n *Namespace) Listen(ctx context.Context, network, address string) (l net.Listener, err error) {
	err = n.visit(func() (err error) {
		var lc net.ListenConfig
		l, err = lc.Listen(ctx, network, address)
		return err
	})
	return l, err
}

// ListenPacket opens a datagram socket in the namespace.
func (n *Namespace) ListenPacket(ctx context.Context, network, address string) (l net.PacketConn, err error) {
	err = n.visit(func() (err error) {
		var lc net.ListenConfig
		l, err = lc.ListenPacket(ctx, network, address)
		return err
	})
	return l, err
}

// Bind lets the namespace's processes see source at the path target, which must exist.
func (n *Namespace) Bind(source, target string) error {
	return n.Do(func() error {
		if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s at %s: %w", source, target, err)
		}
		return nil
	})
}

// AddAddress gives the namespace's loopback interface one more address.
func (n *Namespace) AddAddress(address string) error {
	return n.Do(func() error { return addAddress("lo", address+"/32") })
}

// AddLoopback makes the addresses of a prefix the program's network namespace's own, on its loopback interface. Those that are there stay.
func AddLoopback(prefix netip.Prefix) error {
	err := addAddress("lo", prefix.String())
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func up(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	return nil
}

func addAddress(name, prefix string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("interface %s: %w", name, err)
	}
	a, err := netlink.ParseAddr(prefix)
	if err == nil {
		err = netlink.AddrAdd(link, a)
	}
	if err != nil {
		return fmt.Errorf("address %s of interface %s: %w", prefix, name, err)
	}
	return nil
}
