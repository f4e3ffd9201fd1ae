// Package netns gives workloads what a pod has on a node: a network namespace with an address of its own behind a bridge, files of
// its own in /etc, and a kernel that redirects connections to the sidecar. It needs Linux, and either root or a user who may make
// user namespaces.
//
// [Enter] runs the program again inside of new user, mount and process namespaces, whose end nothing in them survives. In there a
// [Node] is a network namespace with a bridge, and [Namespace] is one behind it, held by a thread of its own: what is forked on
// that thread lives in the namespace.
//
// Nothing of it is visible outside: no interface, rule, mount or file is left when the program ends, however it does.
package netns
