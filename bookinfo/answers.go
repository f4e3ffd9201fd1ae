package bookinfo

import (
	"encoding/json"
	"net/http"
)

// failure is the body of every JSON error.
type failure struct {
	Error string `json:"error"`
}

// health is the body of a health check.
type health struct {
	Status string `json:"status"`
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a caller that left has no use for the error
}
