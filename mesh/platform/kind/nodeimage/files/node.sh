# node DEBIAN PROGRAMS KIND OWN RELEASE TREE: a node's tree. KIND are the files of kind's base image, and the steps are those of the Dockerfile
# beside them; OWN are those of the pods' network and of names.
debian=$1 programs=$2 kind=$3 own=$4 release=$5 tree=$6
rm -rf "$tree"
cp -a "$debian" "$tree"
rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/{doc,man,locale,info,lintian} "$tree"/var/log/*.log
mkdir -p "$tree"/kind/{bin,manifests} "$tree"/etc/{containerd,kubernetes/manifests,cni/net.d,systemd/system/kubelet.service.d} "$tree"/opt/cni/bin

install -m755 "$kind"/usr/local/bin/* "$tree/usr/local/bin/"
install -m755 "$kind"/kind/bin/* "$own/cni.sh" "$tree/kind/bin/"
install -m644 "$kind/etc/crictl.yaml" "$tree/etc/"
install -m644 "$kind/etc/containerd/config.toml" "$tree/etc/containerd/"
install -m644 "$kind"/etc/default/* "$tree/etc/default/"
install -m644 "$kind"/etc/sysctl.d/* "$tree/etc/sysctl.d/"
install -m644 "$kind"/etc/systemd/system/{kubelet.slice,undo-mount-hacks.service,containerd.service,kubelet.service} "$tree/etc/systemd/system/"
install -m644 "$kind"/etc/systemd/system/kubelet.service.d/* "$tree/etc/systemd/system/kubelet.service.d/"
install -m644 "$own/cni.service" "$tree/etc/systemd/system/squall-cni.service"
# where the machine may not make a process more important than itself, pods would not start
sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$tree/etc/containerd/config.toml"
grep -q 'restrict_oom_score_adj = true' "$tree/etc/containerd/config.toml"
ln -sf /usr/bin/containerd "$tree/usr/local/bin/containerd"

find "$tree/lib/systemd/system/sysinit.target.wants/" -name systemd-tmpfiles-setup.service -delete
rm -f "$tree"/lib/systemd/system/{multi-user,local-fs,basic}.target.wants/* "$tree"/etc/systemd/system/*.wants/* \
  "$tree"/lib/systemd/system/sockets.target.wants/*{udev,initctl}*
echo ReadKMsg=no >>"$tree/etc/systemd/journald.conf"
ln -sf /usr/lib/systemd/systemd "$tree/sbin/init"
chroot "$tree" systemctl --quiet enable kubelet.service containerd.service undo-mount-hacks.service squall-cni.service
chroot "$tree" systemctl --quiet mask systemd-binfmt.service
chroot "$tree" ctr oci spec |
  chroot "$tree" jq '.hooks.createContainer = [{"path": "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' >"$tree/etc/containerd/cri-base.json"

install -m755 "$programs/kube" "$tree/usr/bin/kube"
for name in kubelet kubeadm kubectl; do ln -s kube "$tree/usr/bin/$name"; done
install -m755 "$programs"/{host-local,loopback,portmap,ptp} "$tree/opt/cni/bin/"
echo -n "$release" >"$tree/kind/version"
# kind applies both before anything else starts; the second in place of storage, of which there is none
install -m644 "$own/cni.yaml" "$tree/kind/manifests/default-cni.yaml"
install -m644 "$own/dns.yaml" "$tree/kind/manifests/default-storage.yaml"
