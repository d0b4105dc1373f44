#pragma once
/// The hash that chooses a packet's outer source port: the same for all packets of a flow, in any
/// worker. The pieces of a datagram go by addresses and protocol, so that they stay in order.

#include "stages/parse.hpp"
#include "stages/stage.hpp"
#include "tunnel/entropy.hpp"

namespace weft::stage {

/// `p.entropy` where the flow stage has worked it out already.
[[gnu::always_inline]] inline std::uint32_t entropy(const Tables& tables, const PacketContext& p) {
  if (p.entropy != 0) return p.entropy;
  if (p.v4) {
    std::uint64_t addresses;
    std::memcpy(&addresses, &header_at<wire::Ipv4>(p.l3).source, sizeof addresses);
    return tunnel::flow_hash4(tables.hash_seed, addresses, p.l4_ports, p.protocol);
  }
  std::uint64_t addresses[4];
  std::memcpy(addresses, &header_at<wire::Ipv6>(p.l3).source, sizeof addresses);
  return tunnel::flow_hash6(tables.hash_seed, addresses, p.l4_ports, p.protocol);
}

}  // namespace weft::stage
