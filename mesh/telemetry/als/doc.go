// Package als receives the access logs of Envoys over gRPC and turns each entry into a telemetry.Hop.
package als
