// Package local runs a mesh as plain processes on one machine: each workload is the app's own
// process and an Envoy beside it; the control plane and the ingress gateway are processes too.
//
// What the workloads stand on has two forms (see network). On loopback every lab takes a block
// 127.N.0.0/16 of its own, every workload in it two addresses: 127.N.k.1 for its sidecar, 127.N.k.2
// for its app. Apps reach others through their sidecar as an HTTP proxy; sidecars bind what they
// send to their own address, so that the receiving side knows the caller.
//
// In pods every workload has a network namespace with an address behind the lab's bridge, and files
// of its own in /etc; the kernel redirects what its app sends and gets to the sidecar, and a DNS
// server knows the services. Labs side by side do not see each other. The program itself stays in
// the network of the machine: what has to reach the lab dials through it (Lab.Dial).
package local
