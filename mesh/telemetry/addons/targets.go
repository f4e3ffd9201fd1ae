package addons

import (
	"encoding/json"
	"net/http"
)

// serveTargets says where a Prometheus finds the metrics, by its HTTP service discovery: at the address by which it asked.
func serveTargets(w http.ResponseWriter, r *http.Request) {
	type group struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode([]group{{[]string{r.Host}, map[string]string{"job": "squall"}}}) // the caller has left if it fails
}
