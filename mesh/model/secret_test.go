package model_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/mesh/model"
)

// Whichever way a Secret is printed, its key is not.
func TestAPrivateKeyIsNotPrinted(t *testing.T) {
	const key = "hunter2"
	s := &model.Secret{Name: "shop", Certificate: "certificate", Key: model.PrivateBytes(key)}
	var logs strings.Builder
	slog.New(slog.NewTextHandler(&logs, nil)).Info("text", "secret", s, "key", s.Key)
	slog.New(slog.NewJSONHandler(&logs, nil)).Info("json", "secret", s, "key", s.Key)
	asJSON, err := json.Marshal(s)
	require.NoError(t, err)
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v", *s, *s, *s), fmt.Sprintf("%s %q %x %X %d %c", s.Key, s.Key, s.Key, s.Key, s.Key, s.Key), logs.String(), string(asJSON),
	} {
		require.Contains(t, text, "[redacted]")
		for _, form := range []string{key, "aHVudGVyMg", "68756e74657232", "68 75 6e", "104 117 110", "0x68, 0x75"} {
			require.NotContains(t, strings.ToLower(text), strings.ToLower(form))
		}
	}
}
