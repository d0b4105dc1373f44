#pragma once
/// The outer header of a tunnel, built once from its profile: from behind the outer Ethernet header
/// up to where the inner IP packet begins, with the slots that each packet patches.

#include <cstdint>

#include "tunnel/codec.hpp"
#include "weft/tunnel.hpp"

namespace weft::tunnel {

struct HeaderTemplate {
  HeaderBuffer bytes;            ///< [outer IP …] tunnel header [inner Ethernet]
  std::uint16_t ether_type = 0;  ///< by which it rides on Ethernet; 0: it has an outer IP header
  bool outer_v4 = true;
  std::uint16_t udp_offset = 0;             ///< of the outer UDP header; 0: none
  std::uint16_t inner_ethernet_offset = 0;  ///< of the inner Ethernet header; 0: none
  VersionSlot version_slot;                 ///< where the payload is bare IP
  /// IPv4: sum over the outer IP header with total length 0, to be completed with the length.
  std::uint32_t ip_checksum_sum = 0;
  /// A checksum over the outer UDP datagram must be computed for each packet (IPv6, RFC 8200 §8.1).
  bool udp_checksum = false;
};

/// Builds the header for `profile`. Length fields are zero and are patched for each packet; IPv4
/// has DF set and ID 0 (RFC 6864 §4.1), unless the profile lets it be cut; the inner Ethernet
/// header's source and type are patched too. ECN is 0 and is patched, as are DSCP and TTL where the
/// profile copies them.
HeaderTemplate build_template(const TunnelProfile& profile);

}  // namespace weft::tunnel
