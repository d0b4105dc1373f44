#pragma once
/// What chooses a packet's outer source port, from its flow's hash: the same for all packets of a
/// flow, in any worker. The pieces of a datagram go by addresses and protocol, so that they stay in
/// order.

#include "stages/parse.hpp"
#include "stages/stage.hpp"
#include "tables/flow_key.hpp"

namespace weft::stage {

/// The VRF by which the packet's flow is known: where it arrived, wherever routes led it since.
[[gnu::always_inline]] inline const VrfEntry& arrival_vrf(const PacketContext& p) {
  const VrfEntry* const vrf = p.home != nullptr ? p.home : p.vrf;
  if (vrf == nullptr) __builtin_unreachable();  // none gets here without one
  return *vrf;
}

template <class Key>
inline constexpr bool is_key4 = std::is_same_v<Key, FlowKey4>;

/// Of a packet whose IP header is at `l3`, and which arrived in `vrf`.
template <class Key>
[[gnu::always_inline]] inline Key flow_key(const std::uint8_t* l3, FlowPorts ports, VrfId vrf,
                                           std::uint8_t protocol) {
  if constexpr (is_key4<Key>) {
    std::uint64_t addresses;
    std::memcpy(&addresses, l3 + offsetof(wire::Ipv4, source), sizeof addresses);
    return {addresses, ports, vrf, protocol};
  } else {
    return {l3 + offsetof(wire::Ipv6, source), ports, vrf, protocol};
  }
}
template <class Key>
[[gnu::always_inline]] inline Key flow_key(const ParsedPacket& p, VrfId vrf, FlowPorts ports) {
  return flow_key<Key>(p.l3, ports, vrf, p.protocol);
}

/// The hash of its flow as far as that lies open: `p.hash` where it is worked out already.
template <class Key>
[[gnu::always_inline]] inline std::uint64_t open_hash(const Tables& tables, const ParsedPacket& p,
                                                      VrfId vrf) {
  if (p.hash != 0) return p.hash;
  return flow_key<Key>(p, vrf, p.l4_ports).hash(tables.hash_seed);
}
inline std::uint64_t open_hash(const Tables& tables, const PacketContext& p) {
  const VrfId vrf = arrival_vrf(p).id;
  return p.v4 ? open_hash<FlowKey4>(tables, p, vrf) : open_hash<FlowKey6>(tables, p, vrf);
}

}  // namespace weft::stage
