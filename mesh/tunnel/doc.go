// Package tunnel makes connections from within a pod for somebody outside of it: to Unix sockets of its containers, to addresses that it
// reaches, and as its app would. A client names what to connect to in one HTTP request with a token, and then has the connection.
//
// The token is all that protects a pod from whoever reaches its port. It is sent as it is: tunnels are for networks of the machine's own
// and of clusters, not for those that others can read.
package tunnel
