package kind

import (
	"fmt"
	"strings"

	"sigs.k8s.io/kind/pkg/log"
)

// logger passes on what kind says to people.
type logger struct{ line func(string) }

func (l logger) say(text string) {
	// That the network is not kind's own is meant.
	if text = strings.TrimSpace(text); text != "" && !strings.Contains(text, networkVariable) && !strings.Contains(text, "Here be dragons") {
		l.line(text)
	}
}

func (l logger) Warn(text string)               { l.say(text) }
func (l logger) Warnf(format string, a ...any)  { l.say(fmt.Sprintf(format, a...)) }
func (l logger) Error(text string)              { l.say(text) }
func (l logger) Errorf(format string, a ...any) { l.say(fmt.Sprintf(format, a...)) }

// V gives what is for people.
func (l logger) V(level log.Level) log.InfoLogger {
	if level > 0 {
		return log.NoopInfoLogger{}
	}
	return info{l}
}

type info struct{ logger }

func (i info) Info(text string)              { i.say(text) }
func (i info) Infof(format string, a ...any) { i.say(fmt.Sprintf(format, a...)) }
func (i info) Enabled() bool                 { return true }
