#pragma once
/// Frames from what a person says of a packet, to be explained.

#include <cstdint>
#include <optional>
#include <vector>

#include "weft/address.hpp"
#include "weft/result.hpp"

namespace weft::agent {

struct PacketFields {
  MacAddress source_mac;
  MacAddress destination_mac;
  IpAddress source;
  IpAddress destination;
  std::uint8_t protocol = 0;  ///< ICMP becomes an echo request, TCP a SYN; of others IP alone
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t ttl = 64;
  std::uint16_t bytes = 64;  ///< of the whole IP packet; as few as the headers need at least
  bool dont_fragment = false;
  std::uint16_t vlan = 0;  ///< other than 0: the frame has its tag
};

/// An Ethernet frame with right lengths and checksums. An Error when the families differ.
Result<std::vector<std::uint8_t>> build_frame(const PacketFields& fields);

}  // namespace weft::agent
