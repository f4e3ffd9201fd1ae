// Package local runs a mesh as plain processes on one machine: each workload is the app's own
// process and an Envoy beside it; the control plane and the ingress gateway are processes too.
//
// This is the loopback form: every lab takes a block 127.N.0.0/16 of its own, every workload in it
// two addresses: 127.N.k.1 for its sidecar, 127.N.k.2 for its app. Apps reach others through their
// sidecar as an HTTP proxy; sidecars bind what they send to their own address, so that the
// receiving side knows the caller.
package local
