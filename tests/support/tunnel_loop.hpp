#pragma once
/// Tunnels of every kind from a VM to the very router that it is at: what goes in can be let in
/// again.

#include "support/stage_case.hpp"

namespace weft {

inline constexpr NexthopId way{50};
inline constexpr DecapId back{50};

/// A tunnel from VM 1 to this very router, and the decap that lets it in.
struct Loop {
  TunnelProfile profile;
  Decap decap;
};

inline Loop loop_of(const TunnelKindInfo& info, TunnelPayload payload, bool outer_v4) {
  Loop loop;
  TunnelProfile& p = loop.profile;
  p.kind = info.kind;
  p.local = ip(outer_v4 ? "192.0.2.2" : "2001:db8::2");
  p.remote = ip(outer_v4 ? "192.0.2.1" : "2001:db8::1");
  p.vni = std::min(info.most_network, 1000U);
  p.destination_port = info.default_udp_port;
  p.payload = payload;
  p.inner_destination_mac = test::mac("02:00:5e:00:01:01");
  if (info.kind == TunnelKind::srv6) p.segments = {p.remote.v6()};
  if (info.kind == TunnelKind::nsh_over_vxlan_gpe) {
    p.carrier_network = loop.decap.carrier_network = 7;
  }
  loop.decap.kind = info.kind;
  if (!info.on_ethernet) loop.decap.local = p.remote;
  loop.decap.destination_port = info.default_udp_port;
  loop.decap.vni = p.vni;
  if (!info.on_ethernet) {
    loop.decap.sources = {prefix(outer_v4 ? "192.0.2.0/24" : "2001:db8::/64")};
  }
  loop.decap.nexthop = world::lookup_blue;
  return loop;
}

inline std::vector<Loop> loops() {
  std::vector<Loop> all;
  for (const TunnelKindInfo& info : tunnel_kinds) {
    for (const TunnelPayload payload : {TunnelPayload::ethernet, TunnelPayload::ip}) {
      if (payload != info.payload && !info.any_payload) continue;
      if (!info.ipv6_only) all.push_back(loop_of(info, payload, true));
      all.push_back(loop_of(info, payload, false));
    }
  }
  return all;
}

/// 10.1.9.0/24 and fd00:9::/64 of VM 1's VRF lead into the tunnel.
inline Batch batch_of(const Loop& loop) {
  Batch batch;
  nexthop::Tunnel tunnel;
  tunnel.profile = loop.profile;
  tunnel.adjacency = loop.profile.remote.is_v4() ? world::to_peer : world::to_peer6;
  batch.nexthops = {{way, tunnel}};
  batch.decaps = {{back, loop.decap}};
  batch.routes = {{world::blue, prefix("10.1.9.0/24"), way},
                  {world::blue, prefix("fd00:9::/64"), way}};
  return batch;
}

inline const MacAddress fabric_mac = test::mac("02:00:00:00:0f:01");

/// As it left by the fabric, but for this router.
inline Bytes returned(Bytes frame) {
  std::copy(fabric_mac.bytes.begin(), fabric_mac.bytes.end(), frame.begin());
  return frame;
}

inline const Bytes vm1_4 = with_ipv4(hex(packets::vm1_udp4), at::ip, 16, "0a010905");
inline const Bytes vm1_6 =
    with(hex(packets::vm1_tcp6), at::ip + 24, "fd000009000000000000000000000005");

}  // namespace weft
