#pragma once
/// ARP and neighbour discovery frames: bytes to values and back. Everything read is untrusted.

#include <cstdint>
#include <optional>

#include "agent/bytes.hpp"
#include "weft/address.hpp"
#include "weft/events.hpp"
#include "wire/arp.hpp"

namespace weft::agent {

/// What a punted frame holds behind its layer-2 header; empty when the offset lies outside.
Bytes l3_of(const PuntedPacket& packet);
/// Whether it is ARP; what else is punted to the neighbour class is IPv6.
bool is_arp(const PuntedPacket& packet);
/// The source of its Ethernet header, if there is one.
std::optional<MacAddress> ethernet_source(const PuntedPacket& packet);

/// An ARP message for IPv4 over Ethernet (RFC 826).
struct ArpMessage {
  bool request = false;
  MacAddress sender_mac;
  IpAddress sender;
  MacAddress target_mac;
  IpAddress target;

  /// Asks whether anybody has the target, without telling a sender (RFC 5227 §1.1).
  [[nodiscard]] bool probe() const { return sender == IpAddress{Ipv4Address{}}; }
  [[nodiscard]] bool gratuitous() const { return sender == target; }
};
/// `l3` starts with the ARP header; empty for what breaks the format or has no unicast sender MAC.
std::optional<ArpMessage> parse_arp(Bytes l3);
/// The whole frame; to `destination` in the Ethernet header.
Frame build_arp(const ArpMessage& message, const MacAddress& destination);

/// A neighbour solicitation or advertisement (RFC 4861 §4.3, §4.4).
struct NdMessage {
  bool solicitation = false;
  IpAddress source;       ///< of the IPv6 header
  IpAddress destination;  ///< of the IPv6 header
  IpAddress target;
  std::optional<MacAddress> link_layer;  ///< source option of a solicitation, target option of an
                                         ///< advertisement
  bool router = false;
  bool solicited = false;
  bool override_cache = false;
};
enum class NdError { malformed, other_type };
struct NdParsed {
  std::optional<NdMessage> message;
  NdError error = NdError::malformed;  ///< other_type: valid ICMPv6, but neither of the two
};
/// `l3` starts with the IPv6 header. Checks as in RFC 4861 §7.1.1 and §7.1.2.
NdParsed parse_nd(Bytes l3);
/// The whole frame, hop limit 255, checksum done.
Frame build_nd(const NdMessage& message, const MacAddress& source_mac,
               const MacAddress& destination_mac);

/// Questions and answers as this router sends them.
Frame arp_request(const MacAddress& own_mac, const IpAddress& own, const IpAddress& target,
                  std::optional<MacAddress> unicast);
Frame arp_reply(const ArpMessage& request, const MacAddress& own_mac);
Frame arp_announcement(const MacAddress& own_mac, const IpAddress& own);
Frame nd_solicitation(const MacAddress& own_mac, const IpAddress& own, const IpAddress& target,
                      std::optional<MacAddress> unicast);
/// To `asker_mac`; to all nodes when the solicitation came from the unspecified address.
Frame nd_advertisement(const NdMessage& solicitation, const MacAddress& own_mac,
                       const MacAddress& asker_mac);
Frame nd_announcement(const MacAddress& own_mac, const IpAddress& own);

}  // namespace weft::agent
