package reports

import (
	"encoding/json"
	"io"

	"github.com/squallmesh/squall/scenarios/record"
)

// JSON writes result.json: a [Result].
func JSON(w io.Writer, r *record.Run) error { return writeJSON(w, NewResult(r)) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
