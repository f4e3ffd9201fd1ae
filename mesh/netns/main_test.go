package netns_test

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/squallmesh/squall/mesh/netns"
)

// Besides the tests, the test binary is what Enter starts (init), and a program that calls Enter (enter).
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "init":
			syscall.Exit(netns.Init(os.Args[2:], os.Environ()))
		case "enter":
			syscall.Exit(enter(os.Args[2:]))
		case "exit":
			code, _ := strconv.Atoi(os.Args[2])
			syscall.Exit(code)
		}
	}
	goleak.VerifyTestMain(m)
}

func enter(command []string) int {
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	code, err := netns.Enter(netns.Entry{
		Init: append([]string{self, "init"}, command...), Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Signals: signals,
	})
	if err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		return refusedCode
	}
	return code
}

// refusedCode is how the test program tells that namespaces are refused.
const refusedCode = 77
