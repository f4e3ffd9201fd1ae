// Package relay carries TCP connections between two workloads, so that faults of the network can be put between them
// where there is no network to break: on the loopback interface.
//
// A relay is there from the mesh's start and idle until a fault is set, so that injecting one changes no endpoint,
// connection pool or hash ring. Latency and bandwidth are toxics of github.com/Shopify/toxiproxy.
//
// A relay accepts before it dials: an upstream that refuses connections is seen by the caller as one that resets them.
package relay
