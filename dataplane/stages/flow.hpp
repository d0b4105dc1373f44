#pragma once
/// flow: which flow is it? The hash chooses the outer source port; it is the same for all packets
/// of a flow, in any worker.

#include "stages/parse.hpp"
#include "stages/stage.hpp"
#include "tunnel/entropy.hpp"

namespace weft::stage {

inline constexpr std::string_view flow_name = "flow";

[[gnu::always_inline]] inline std::uint32_t flow_hash(const Tables& tables,
                                                      const PacketContext& p) {
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
