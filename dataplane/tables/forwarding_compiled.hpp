#pragma once
/// A batch of ForwardingState on its way from check() to publish().

#include <cstdint>
#include <memory>
#include <vector>

#include "tables/forwarding_state.hpp"

namespace weft {

/// As they lie in the packet.
inline std::uint32_t raw(Ipv4Address address) { return __builtin_bswap32(address.value); }

/// A batch as objects that only wait to be linked.
struct ForwardingState::Compiled {
  std::vector<std::unique_ptr<const PortEntry>> ports;
  std::vector<std::unique_ptr<VrfEntry>> vrfs;
  std::vector<std::unique_ptr<const PolicyEntry>> policies;
  std::vector<std::unique_ptr<VifEntry>> vifs;
  std::vector<std::unique_ptr<AdjacencyEntry>> adjacencies;
  std::vector<NexthopEntry::Owner> nexthops;
  std::vector<std::unique_ptr<const DecapEntry>> decaps;
};

}  // namespace weft
