package zipkin

import (
	"fmt"
	"strings"

	"github.com/squallmesh/squall/mesh/telemetry"
)

// Normalize writes ids in lower case with leading zeros, 16 or 32 digits for a trace and 16 for a span, and checks them.
func Normalize(s *telemetry.Span) error {
	s.TraceID = normalTrace(s.TraceID)
	s.ID = pad(s.ID, 16)
	if s.ParentID != "" {
		s.ParentID = pad(s.ParentID, 16)
	}
	s.Name = strings.ToLower(s.Name)
	switch {
	case !isID(s.TraceID, 16) && !isID(s.TraceID, 32):
		return fmt.Errorf("the trace id %q is not of 1 to 32 hex digits, one of them not 0", s.TraceID)
	case !isID(s.ID, 16):
		return fmt.Errorf("the span id %q is not of 1 to 16 hex digits, one of them not 0", s.ID)
	case s.ParentID != "" && strings.Trim(s.ParentID, "0") == "":
		s.ParentID = ""
	case s.ParentID != "" && !isID(s.ParentID, 16):
		return fmt.Errorf("the parent id %q is not of 1 to 16 hex digits", s.ParentID)
	case s.Timestamp < 0 || s.Duration < 0:
		return fmt.Errorf("the span %s has a negative time", s.ID)
	}
	return nil
}

func normalTrace(id string) string {
	if len(id) > 16 {
		return pad(id, 32)
	}
	return pad(id, 16)
}

func pad(id string, digits int) string {
	return strings.Repeat("0", max(0, digits-len(id))) + strings.ToLower(id)
}

func isID(id string, digits int) bool {
	return len(id) == digits && strings.Trim(id, "0123456789abcdef") == "" && strings.Trim(id, "0") != ""
}
