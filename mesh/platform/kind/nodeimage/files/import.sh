# import TREE IMAGES: brings images into the containerd of a tree, which runs for that in namespaces of its own, and keeps them from being
# collected as garbage.
export tree=$1 images=$2
unshare --mount --fork --pid --kill-child bash -euo pipefail -c '
  mount --make-rprivate /
  mount -t proc proc "$tree/proc"
  mount --rbind /sys "$tree/sys"
  mount --rbind /dev "$tree/dev"
  mount -t tmpfs tmpfs "$tree/run"
  mount -t tmpfs tmpfs "$tree/tmp"
  mount --bind "$images" "$tree/mnt"
  chroot "$tree" containerd &
  containerd=$!
  for _ in $(seq 100); do
    chroot "$tree" ctr version >/dev/null 2>&1 && break
    sleep 0.1
  done
  ctr() { chroot "$tree" ctr --namespace k8s.io images "$@"; }
  for archive in "$images"/*.tar; do ctr import --no-unpack "/mnt/${archive##*/}"; done
  for name in $(ctr list --quiet); do ctr label "$name" io.cri-containerd.pinned=pinned; done
  kill $containerd
  wait $containerd || true
'
