#!/bin/bash
# Keeps this node's part of the pods' network, as long as it runs: the configuration of its plugins, routes to the pods of other nodes, and a
# source address of the node for what leaves the ranges of pods. A kubelet's own credential is enough to know of the nodes.
conflist=/etc/cni/net.d/10-squall.conflist
columns='{range .items[*]}{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}'

# A pod that starts before kube-proxy knows the API's address waits half a minute for its first answer, so there is no network before that.
proxied() {
  iptables-save -t nat 2>/dev/null | grep -q default/kubernetes:https ||
    nft list map ip kube-proxy service-ips 2>/dev/null | grep -q default/kubernetes
}

configure() {
  for _ in $(seq 100); do
    proxied && break
    sleep 0.3
  done
  cat >"$conflist.new" <<J
{"cniVersion": "0.4.0", "name": "squall", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam-state", "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "$1"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
J
  mv "$conflist.new" "$conflist"
}

known=
while sleep 0.5; do
  nodes=$(kubectl --kubeconfig=/etc/kubernetes/kubelet.conf get nodes --output "jsonpath=$columns" 2>/dev/null) || continue
  if [ "$nodes" = "$known" ]; then
    sleep 4
    continue
  fi
  complete=1 own=
  iptables -t nat -N SQUALL-LEAVING 2>/dev/null || iptables -t nat -F SQUALL-LEAVING
  while read -r name pods address; do
    if [ -z "$pods" ] || [ -z "$address" ]; then
      complete=
      continue
    fi
    iptables -t nat -A SQUALL-LEAVING -d "$pods" -j RETURN
    if [ "$name" = "$(hostname)" ]; then
      own=$pods
    else
      ip route replace "$pods" via "$address"
    fi
  done <<<"$nodes"
  iptables -t nat -A SQUALL-LEAVING -j MASQUERADE
  if [ -n "$own" ]; then
    iptables -t nat -C POSTROUTING -s "$own" -j SQUALL-LEAVING 2>/dev/null || iptables -t nat -A POSTROUTING -s "$own" -j SQUALL-LEAVING
    [ -f "$conflist" ] || configure "$own"
  fi
  [ -z "$complete" ] || known=$nodes
done
