package pace

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Stage is one step of a stepped schedule.
type Stage struct {
	// Rate of the stage; zero is a pause.
	Rate Rate
	// For is how long it lasts. 0 is allowed for the last stage only: it has no end.
	For time.Duration
}

type step struct{ stages []Stage }

var _ Pacer = step{}

// NewStep is one constant schedule after another. Each stage begins with a request at its own start, so what a stage sends
// does not depend on those before it. After the last stage there is no request.
func NewStep(stages ...Stage) (Pacer, error) {
	if len(stages) == 0 {
		return nil, errors.New("a stepped schedule needs a stage")
	}
	for i, s := range stages {
		if s.For < 0 || s.For == 0 && i < len(stages)-1 {
			return nil, fmt.Errorf("stage %d of a stepped schedule needs a duration", i+1)
		}
	}
	return step{append([]Stage(nil), stages...)}, nil
}

func (s step) Rate(t time.Duration) float64 {
	for _, stage := range s.stages {
		if t < stage.For || stage.For == 0 {
			return constant{stage.Rate}.Rate(t)
		}
		t -= stage.For
	}
	return 0
}

func (s step) Hits(until time.Duration) uint64 {
	var hits uint64
	for _, stage := range s.stages {
		if until < stage.For || stage.For == 0 {
			return hits + constant{stage.Rate}.Hits(until)
		}
		hits += constant{stage.Rate}.Hits(stage.For)
		until -= stage.For
	}
	return hits
}

func (s step) Due(n uint64) time.Duration {
	var start time.Duration
	for _, stage := range s.stages {
		c := constant{stage.Rate}
		if hits := c.Hits(stage.For); stage.For > 0 && n >= hits {
			n -= hits
			start += stage.For
			continue
		}
		due := c.Due(n)
		if due > Never-start {
			return Never
		}
		return start + due
	}
	return Never
}

func (s step) String() string {
	parts := make([]string, len(s.stages))
	for i, stage := range s.stages {
		parts[i] = stage.Rate.String()
		if stage.For > 0 {
			parts[i] += " for " + stage.For.String()
		}
	}
	return strings.Join(parts, ", then ")
}
