# programs SOURCE TO FLAGS PAUSE MODULE...: builds all programs of one module, which requires some more modules.
source=$1 to=$2 flags=$3 pause=$4
shift 4
cd "$source"
export GOFLAGS=-mod=mod CGO_ENABLED=0
for module in "$@"; do go mod edit -require="$module"; done
plugins=github.com/containernetworking/plugins/plugins
go build -trimpath -buildvcs=false -ldflags "$flags" -o "$to/" ./kube ./coredns \
  $plugins/ipam/host-local $plugins/main/loopback $plugins/main/ptp $plugins/meta/portmap
gcc -Os -static -s -DVERSION=3.10 -o "$to/pause" "$pause"
