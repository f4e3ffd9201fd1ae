# trees DEBIAN PROGRAMS TO: the trees of the cluster's own images. kube is one for the whole control plane, kube-proxy and etcd, with what
# kube-proxy calls: packet filters, and the libraries of their extensions too, without which a rule for two endpoints cannot be loaded.
debian=$1 programs=$2 to=$3
kube=$to/kube
mkdir -p "$kube"/{tmp,etc,run,var,proc,sys,dev,usr/{bin,sbin,lib,lib64,local/bin}} "$to/coredns" "$to/pause"
chmod 1777 "$kube/tmp"
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$kube/$dir"; done
cd "$debian"
wanted=(/usr/sbin/xtables-nft-multi /usr/sbin/nft /usr/sbin/conntrack /usr/bin/kmod /usr/bin/dash /usr/bin/ip)
for extension in usr/lib/*-linux-gnu/xtables/*.so; do wanted+=("/$extension"); done
mapfile -t libraries < <(chroot . ldd "${wanted[@]}" 2>/dev/null | grep -oE '/[^ :]+\.so[^ :]*' | sort -u)
for file in "${wanted[@]}" "${libraries[@]}"; do
  real=$(chroot . readlink -f "$file")
  cp -a --parents ".$real" "$kube"
  [ -e "$kube$file" ] || { mkdir -p "$kube${file%/*}" && ln -s "$real" "$kube$file"; }
done
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do ln -s xtables-nft-multi "$kube/usr/sbin/$name"; done
ln -s dash "$kube/usr/bin/sh"
ln -s ../bin/kmod "$kube/usr/sbin/modprobe"
unshare --net chroot "$kube" iptables -m statistic --help >/dev/null
install -m755 "$programs/kube" "$kube/usr/bin/kube"
for name in kube-apiserver kube-controller-manager kube-scheduler kube-proxy etcd; do ln -s /usr/bin/kube "$kube/usr/local/bin/$name"; done
install -m755 "$programs/coredns" "$to/coredns/coredns"
install -m755 "$programs/pause" "$to/pause/pause"
ln -s "$programs/kube" "$to/kubeadm"
