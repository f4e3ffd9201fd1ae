// Package agent is what stands next to a workload for its identity: it makes the private key, has it signed, gives both to the workload's
// Envoy over a socket of its own (SDS), and does so again long before the certificate ends. The key is never written down and never sent
// anywhere else.
package agent
