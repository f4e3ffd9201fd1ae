package netns

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheHintNamesWhatForbids(t *testing.T) {
	for _, c := range []struct {
		settings   map[string]string
		privileged bool
		want       string
	}{
		{map[string]string{usernsClone: "0", usernsMost: "100"}, false, "kernel.unprivileged_userns_clone=0"},
		{map[string]string{usernsMost: "0"}, false, "user.max_user_namespaces=0"},
		{map[string]string{usernsMost: "100", usernsApparmor: "1"}, false, "kernel.apparmor_restrict_unprivileged_userns=1"},
		{map[string]string{usernsMost: "100", usernsApparmor: "0"}, false, "run squall as root"},
		{nil, true, "SYS_ADMIN"},
	} {
		require.Contains(t, hint(func(file string) string { return c.settings[file] }, c.privileged), c.want)
	}
}
