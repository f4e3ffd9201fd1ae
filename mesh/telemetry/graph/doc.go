// Package graph tells who called whom: the service graph of a mesh, from what the callers' proxies logged.
package graph
