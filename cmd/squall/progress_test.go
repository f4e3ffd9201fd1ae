package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/squallmesh/squall/scenarios/spec"
)

// What is written goes above the live line, which is taken away first and never left behind.
func TestTheLiveLineStaysOutOfTheWay(t *testing.T) {
	var screen bytes.Buffer
	at := time.Unix(1000, 0)
	s := &status{out: &screen, total: 2, now: func() time.Time { return at }, stop: make(chan struct{})}
	f := &spec.File{}
	f.Metadata.Name = "slow"
	f.Spec.Load = []spec.Load{{Duration: spec.Duration(8 * time.Second)}}
	s.begin(f)
	at = at.Add(3 * time.Second)
	s.draw()
	line := fmt.Sprintf("[0 of 2] slow 3 of ~%d s", int((f.WarmupTime() + 10*time.Second).Seconds()))
	require.Equal(t, line, screen.String())
	_, err := fmt.Fprintln(s.writer(&screen), "PASS slow")
	require.NoError(t, err)
	require.Equal(t, line+"\r\x1b[KPASS slow\n", screen.String())
	s.draw()
	s.end(f)
	s.close()
	require.Equal(t, line+"\r\x1b[KPASS slow\n"+line+"\r\x1b[K", screen.String())
}
