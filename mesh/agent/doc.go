// Package agent is what squall runs in a container: it starts one process (an app, an Envoy, a control plane), says how that fares, and
// kills, pauses and starts it again when a run asks for it, on a Unix socket that the containers of a pod share. In a proxy's container
// it also serves the way into the pod (see mesh/tunnel) and the relays by which the network is broken.
//
// What a run breaks is a lease: nobody who renews it for LeaseTime, and the agent mends it.
package agent
