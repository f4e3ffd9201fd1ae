// Package nodeimage builds an image for the nodes of kind's clusters where no image registry is in reach: Kubernetes' programs from their Go
// modules, all else from Debian's packages. It does what kind's own images/base and `kind build node-image` do, with kind's own files, and
// without a container: as root, in folders, for a machine of this kind.
//
// It differs from kind's images in two ways. The network of pods is kept by a loop in each node (files/cni.sh) in place of kindnetd, and
// names that are not the cluster's are unknown at once, since there is nobody to ask.
package nodeimage
