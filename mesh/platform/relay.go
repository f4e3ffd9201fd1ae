package platform

import "net"

// Beyond gives the address of the workload to which a relay's address leads, both with their port; any other address is its own.
func Beyond(list []*Instance, address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return net.JoinHostPort(BeyondHost(list, host), port)
}

// BeyondHost is Beyond for an address without a port.
func BeyondHost(list []*Instance, host string) string {
	for _, caller := range list {
		for called, relay := range caller.Relays {
			if relay == host {
				return called
			}
		}
	}
	return host
}
