package netns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Enter runs a command in new mount and process namespaces, and without root in a new user namespace in which the user counts as
// root and owns what it writes outside. It returns the command's exit code when all that the command started has ended; a signal
// counts as 128 and its number. The kernel ends all of it when this program ends, however it does.
func Enter(e Entry) (code int, err error) {
	// The parent-death signal comes when the thread that forked ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	said, say, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make a pipe: %w", err)
	}
	defer said.Close()                            //nolint:errcheck // read to its end
	cmd := exec.Command(e.Init[0], e.Init[1:]...) //nolint:gosec,noctx // this program itself; it ends with this program
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = e.Env, e.Stdin, e.Stdout, e.Stderr
	cmd.ExtraFiles = []*os.File{say}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL,
	}
	if !privileged() {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err = cmd.Start()
	closeErr := say.Close()
	if err != nil {
		if path, ok := errors.AsType[*os.PathError](err); ok {
			err = path.Err
		}
		return 0, refused(fmt.Errorf("namespaces could not be made: %w", err))
	}
	heard, readErr := io.ReadAll(said)
	if err := errors.Join(closeErr, readErr); err != nil {
		return 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	if string(heard) != ready {
		_ = cmd.Wait()
		return 0, refused(errors.New(strings.TrimSpace(string(heard))))
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for {
			select {
			case s := <-e.Signals:
				_ = cmd.Process.Signal(s) // it may have ended
			case <-ended:
				return
			}
		}
	}()
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		return 0, err
	}
	return status(cmd.ProcessState.Sys().(syscall.WaitStatus)), nil
}

func status(s syscall.WaitStatus) int {
	if s.Signaled() {
		return 128 + int(s.Signal())
	}
	return s.ExitStatus()
}

// Init is the first process inside: it makes the namespaces usable, runs a command with the environment, reaps what the command
// leaves behind, and gives the command's exit code. Signals that come to it are the command's.
func Init(argv, env []string) int {
	say := os.NewFile(readyFD, "ready")
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	tell := func(words string) bool {
		_, err := io.WriteString(say, words)
		return errors.Join(err, say.Close()) == nil
	}
	if err := prepare(); err != nil {
		tell(err.Error())
		return 1
	}
	unix.CloseOnExec(readyFD)
	p, err := os.StartProcess(argv[0], argv, &os.ProcAttr{
		Env: env, Files: []*os.File{os.NewFile(0, "stdin"), os.NewFile(1, "stdout"), os.NewFile(2, "stderr")},
	})
	if err != nil {
		tell(err.Error())
		return 1
	}
	pid := p.Pid
	_ = p.Release() // it is reaped below, with all others
	if !tell(ready) {
		return 1
	}
	go func() {
		for s := range signals {
			_ = unix.Kill(pid, s.(syscall.Signal))
		}
	}()
	for {
		var s syscall.WaitStatus
		got, err := syscall.Wait4(-1, &s, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 1 // there is nobody left to wait for
		case got == pid:
			return status(s)
		}
	}
}

// prepare gives the mount namespace a /proc that shows the process namespace, which nobody outside sees.
func prepare() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mounts could not be made private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("/proc could not be mounted: %w", err)
	}
	return nil
}

// privileged says whether namespaces can be made without one for users: by root with the capabilities for it.
func privileged() bool {
	if os.Geteuid() != 0 {
		return false
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false
	}
	const want = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN
	return data[0].Effective&want == want
}

// The settings by which systems forbid namespaces to users.
const (
	usernsClone    = "/proc/sys/kernel/unprivileged_userns_clone"
	usernsMost     = "/proc/sys/user/max_user_namespaces"
	usernsApparmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
)

func refused(err error) error {
	return &RefusedError{Err: err, Hint: hint(func(file string) string {
		data, _ := os.ReadFile(file) //nolint:gosec // the settings above
		return strings.TrimSpace(string(data))
	}, privileged())}
}

// hint names what forbids namespaces, as far as the system tells.
func hint(setting func(file string) string, privileged bool) string {
	switch {
	case privileged:
		return "a container must be started with the capability SYS_ADMIN and an unmasked /proc (--privileged)"
	case setting(usernsClone) == "0":
		return "user namespaces are off (kernel.unprivileged_userns_clone=0): sysctl -w kernel.unprivileged_userns_clone=1, or run squall as root"
	case setting(usernsMost) == "0":
		return "user namespaces are off (user.max_user_namespaces=0): sysctl -w user.max_user_namespaces=15000, or run squall as root"
	case setting(usernsApparmor) == "1":
		return "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns=1): allow userns for squall in a profile " +
			"of /etc/apparmor.d, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run squall as root"
	}
	return "run squall as root, or in a container with more rights (--privileged)"
}
