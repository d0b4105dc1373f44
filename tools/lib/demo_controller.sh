# shellcheck shell=bash disable=SC2154
# Three nodes that know their own ports and VMs, and two controllers that tell them everything else. Sourced by
# tools/demo, which has sourced stage.sh and build.sh.

controller_address() { echo "203.0.113.$((1 + $1))"; }
tell() { "$build/tools/weftctl" -c "$dir/c$1.sock" "${@:2}"; }
authority() { "$build/tools/weft-controller" pki "$@" >/dev/null; }

# cable NAMESPACE BRIDGE LINK: eth1 for the fabric, mgmt for the controllers.
cable() {
  ip -n "$prefix-$1" link add "$3" type veth peer name "$3-$1" netns "$prefix-$2"
  # DPDK cannot finish checksums for the kernel, so the kernel must not leave any unfinished.
  in_ns "$1" ethtool -K "$3" tx off >/dev/null
  ip -n "$prefix-$1" link set "$3" up
  ip -n "$prefix-$2" link set "$3-$1" master switch up
}

build_site() {
  local name number
  for name in fabric management; do
    add_namespace "$name" node
    ip -n "$prefix-$name" link add switch type bridge
    ip -n "$prefix-$name" link set switch up
  done
  for number in 0 1; do
    add_namespace "c$number" node
    cable "c$number" management mgmt
    ip -n "$prefix-c$number" addr add "$(controller_address "$number")/24" dev mgmt
  done
  for name in a b c; do
    add_namespace "$name" node
    cable "$name" fabric eth1
    cable "$name" management mgmt
  done
  for name in blue-a blue-b red-a red-b; do add_namespace "$name"; done
  number=11
  for name in a b c; do
    ip -n "$prefix-$name" addr add "203.0.113.$number/24" dev mgmt
    number=$((number + 1))
  done
}

# tls NAME: the keys of a certificate in a file of either kind.
tls() { echo "{ca: $dir/pki/ca.pem, cert: $dir/pki/$1.pem, key: $dir/pki/$1.key}"; }

start_controller() {
  cat >"$dir/c$1.yaml" <<YAML
name: c$1
domain: weft.local
listen: {address: $(controller_address "$1")}
peers: [{address: $(controller_address $((1 - $1)))}]
tls: $(tls network-control)
api: {socket: $dir/c$1.sock}
state: {file: $dir/c$1.db}
timers: {hold: 3, grace: 1}
YAML
  in_ns "c$1" "$build/tools/weft-controller" --config "$dir/c$1.yaml" >>"$dir/c$1.log" 2>&1 &
  controllers[$1]=$!
  wait_for 20 "the start of controller c$1" tell "$1" node show
}

# plug NODE VM HOST: a VM's interface at a node, as an orchestrator plugs it in.
plug() {
  local tenant=${2%-*} number=1
  [[ $tenant == blue ]] || number=2
  ctl "$1" vif add "$tenant-$3" --device "tap:vm0@$prefix-$2" --vrf "$tenant" --mac "02:00:00:00:0$number:$3" \
    --address "10.1.0.$3" --address "fd00:1::$3"
  configure_vm "$2" "$3"
}

unplugged() { ! ip -n "$prefix-$1" link show vm0 >/dev/null 2>&1; }

# A node's file: no tunnel, no decapsulation, no route.
start_node() {
  local number=$2
  authority issue "$dir/pki" "compute-$1"
  cat >"$dir/$1.yaml" <<YAML
node: {name: compute-$1, tunnel_address: 192.0.2.$number}
dpdk: {hugepages: auto, memory_mb: 256}
workers: {lcores: $lcores, idle: adaptive}
api: {socket: $dir/$1.sock}
state: {file: $dir/$1.json}
ports: [{name: fab0, device: "af_packet:eth1", addresses: [192.0.2.$number/24], mtu: 1500}]
vrfs:
  - {name: blue, id: 1, router_mac: "02:00:5e:00:01:01", subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}, {prefix: "fd00:1::/64", gateway: "fd00:1::1"}]}
  - {name: red, id: 2, router_mac: "02:00:5e:00:01:01", subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}, {prefix: "fd00:1::/64", gateway: "fd00:1::1"}]}
controllers:
  - {address: $(controller_address 0), tls: $(tls "compute-$1")}
  - {address: $(controller_address 1), tls: $(tls "compute-$1")}
channel: {hold_time: 3}
YAML
  in_ns "$1" "$build/tools/weftd" --config "$dir/$1.yaml" >"$dir/$1.log" 2>&1 &
  wait_for 20 "the start of weftd on node $1" ctl "$1" show workers
}

write_networks() {
  cat >"$dir/networks.yaml" <<YAML
networks:
  - name: blue
    subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}, {prefix: "fd00:1::/64", gateway: "fd00:1::1"}]
    router_mac: "02:00:5e:00:01:01"
    tunnels: [vxlan]
  - name: red
    subnets: [{prefix: 10.1.0.0/24, gateway: 10.1.0.1}, {prefix: "fd00:1::/64", gateway: "fd00:1::1"}]
    router_mac: "02:00:5e:00:01:01"
    tunnels: [geneve]
YAML
}

# leads NODE TENANT HOST WHERE: where a node sends that tenant's packets for a host.
leads() {
  ctl "$1" --json show route --vrf "$2" |
    jq -e --arg prefix "10.1.0.$3/32" --arg via "$4" 'any(.rows[]; .prefix == $prefix and (.via | startswith($via)))' >/dev/null
}
# kind_is NODE TUNNEL KIND
kind_is() {
  ctl "$1" --json show tunnel | jq -e --arg name "$2" --arg kind "$3" \
    'any(.rows[]; .name == $name and .kind == $kind)' >/dev/null
}
is_gone() { ! ctl b --json show decap | jq -e --arg kind "$1" 'any(.rows[]; .kind == $kind)' >/dev/null; }
up_at() { ctl "$1" --json show control | jq -e --argjson n "$2" '.rows[$n].state == "up"' >/dev/null; }
same_networks() { [[ $(tell 0 --json intent show) == "$(tell 1 --json intent show)" ]]; }

act_apply() {
  headline "One file says what networks there are; controller c0 is told, c1 knows a moment later"
  tell 0 apply -f "$dir/networks.yaml" | show
  wait_for 10 "c1 to know" same_networks
  tell 1 network show | show
  check "the same file again changes nothing" unchanged
  for node in a b; do
    for tenant in blue red; do
      wait_for 20 "the routes of $tenant at node $node" leads "$node" "$tenant" "$([[ $node == a ]] && echo 12 || echo 11)" tunnel
    done
  done
  echo "   \$ weftctl -c c1.sock node show"
  tell 1 node show | show
  echo "   \$ weftctl show control (node a)"
  ctl a show control | show
}
unchanged() { tell 1 apply -f "$dir/networks.yaml" | grep -q '0 added, 0 changed, 0 removed'; }

act_tenants() {
  local tenant
  headline "Both tenants reach their VM on the other node, with the same addresses"
  for tenant in blue red; do
    check "$tenant: 10.1.0.11 -> 10.1.0.12" pings "$tenant-a" 10.1.0.12
    check "$tenant: fd00:1::11 -> fd00:1::12" pings "$tenant-a" fd00:1::12
  done
}

# begin_ping COUNT: blue's VM on a asks the one at 10.1.0.12, 200 times a second.
begin_ping() {
  in_ns blue-a ping -n -i 0.005 -c "$1" -W 3 10.1.0.12 >"$dir/ping.txt" 2>&1 &
  pinging=$!
}
# end_ping COUNT MOST: true if no more than so many of the queries stayed without an answer.
end_ping() {
  local answered
  wait "$pinging" || true
  answered=$(all_answered "$1" <"$dir/ping.txt") || true
  echo "$answered"
  (($(awk '{print $1}' <<<"$answered") + $2 >= $1))
}

act_kind() {
  headline "A tunnel kind changes in mid-flow: blue goes from VXLAN to MPLS over UDP while 200 pings a second run"
  begin_ping 800
  sleep 0.5
  tell 1 network set blue --tunnel mpls_over_udp | show
  wait_for 10 "the new kind at node a" kind_is a blue.compute-b mpls_over_udp
  echo "   node a sends MPLS over UDP; node b still lets VXLAN in for a moment"
  check "no packet was lost" end_ping 800 0
  wait_for 10 "the end of the old kind" is_gone vxlan
  check "the old decapsulation is gone" is_gone vxlan
}

act_move() {
  headline "A VM moves in mid-ping: blue's 10.1.0.12 leaves node b and comes up on node c"
  begin_ping 800
  sleep 0.5
  ctl b vif del blue-12 | show
  wait_for 5 "the end of its tap" unplugged blue-b
  plug c blue-b 12 | show
  wait_for 10 "the new way at node a" leads a blue 12 tunnel
  check "pings are answered again within a second" end_ping 800 200
  ctl a show route --vrf blue | grep -e PREFIX -e 10.1.0.12/32 | show || true
}

act_kill() {
  headline "Controller c0 is killed with -9; meanwhile c1 is told of another kind; c0 comes back and knows"
  begin_ping 1600
  sleep 0.3
  kill -KILL "${controllers[0]}"
  wait "${controllers[0]}" 2>/dev/null || true
  tell 1 network set blue --tunnel geneve | show
  wait_for 10 "the new kind at node a" kind_is a blue.compute-c geneve
  start_controller 0
  wait_for 20 "c0 to know what it missed" same_networks
  wait_for 20 "node a's session with c0" up_at a 0
  check "no packet was lost" end_ping 1600 0
  check "c0 knows what c1 was told" same_networks
  tell 0 controller show | show
}

act_isolation() {
  headline "And red? Its VMs have stayed where they were, in GENEVE"
  check "red: 10.1.0.11 -> 10.1.0.12" pings red-a 10.1.0.12
  ctl a show tunnel | show
}

look_around() {
  cat <<KEPT

The site is still up. To look around (as root):
  # what is wanted, what nodes are told, what happens
  $build/tools/weftctl -c /run/$prefix/c0.sock network show
  $build/tools/weftctl -c /run/$prefix/c0.sock profile show --node compute-a
  $build/tools/weftctl -c /run/$prefix/c1.sock watch
  # what node a has of it
  $build/tools/weftctl --socket /run/$prefix/a.sock show control
  # as blue's VM on node a (also red-a, red-b; blue-b has moved to node c)
  ip netns exec $prefix-blue-a ping 10.1.0.12
To take it down:
  sudo tools/demo --down $prefix
KEPT
}

play_controller() {
  ensure_packages "${packages_build[@]}" "${packages_demo[@]}"
  build_weft "$build"
  set_stage
  controllers=()
  headline "Three nodes a, b and c on one fabric, two controllers c0 and c1, two tenants, blue and red"
  build_site
  authority init "$dir/pki" --domain weft.local
  authority issue "$dir/pki" network-control
  write_networks
  start_controller 0
  start_controller 1
  start_node a 1
  start_node b 2
  start_node c 3
  for tenant in blue red; do
    plug a "$tenant-a" 11 >/dev/null
    plug b "$tenant-b" 12 >/dev/null
  done
  act_apply
  act_tenants
  act_kind
  act_move
  act_kill
  act_isolation
  printf '\n%sdemo: %d of %d checks passed%s\n' "$bold" "$passed" "$checks" "$plain"
  ((passed == checks))
}
