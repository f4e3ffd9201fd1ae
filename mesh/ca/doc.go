// Package ca issues the identities of workloads: SPIFFE ids in X.509 certificates that live for hours.
//
// Files: authority.go signs requests, files.go keeps keys and certificates, csr.go says what may be asked for, attest.go tells who a
// caller is, server.go is the gRPC service (istio.v1.auth.IstioCertificateService). Package agent is the other side, next to a workload: it
// makes the private key, which never leaves it but to its own Envoy.
//
// A root is made, signs one intermediate, and is thrown away: what signs from day to day cannot make another issuer, and nothing on disk
// can sign a second intermediate. Time and randomness are passed in.
package ca
