# debian TREE: Debian's packages that a node needs.
tree=$1
rm -rf "$tree"
debootstrap --variant=minbase \
  --include=systemd,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,libseccomp2,bash,ca-certificates,curl,jq,procps,containerd,runc \
  bookworm "$tree"
