#pragma once
/// Neighbour discovery (RFC 4861 §4.3, §4.4): solicitation and advertisement.
///
///    ICMPv6 header (8; the rest word holds R S O flags of an advertisement)
///    target (16)
///    options: type | length in units of 8 bytes | …

#include <cstdint>
#include <optional>
#include <span>

#include "weft/address.hpp"
#include "wire/icmp.hpp"

namespace weft::wire {

struct NeighbourMessage {
  Icmp icmp;
  Ipv6Address target;

  static constexpr std::uint32_t router = 0x80000000;
  static constexpr std::uint32_t solicited = 0x40000000;
  static constexpr std::uint32_t override_cache = 0x20000000;
};
static_assert(sizeof(NeighbourMessage) == 24 && alignof(NeighbourMessage) == 1);

struct LinkLayerOption {
  std::uint8_t type = 0;
  std::uint8_t units = 1;
  MacAddress mac;

  static constexpr std::uint8_t source = 1;
  static constexpr std::uint8_t target = 2;
};
static_assert(sizeof(LinkLayerOption) == 8 && alignof(LinkLayerOption) == 1);

/// Looks for a link-layer address option of `type` in `options`. `valid` turns false when an option
/// has length zero or runs past the end (RFC 4861 §4.6: such a message is discarded).
inline std::optional<MacAddress> find_link_layer_option(std::span<const std::uint8_t> options,
                                                        std::uint8_t type, bool& valid) {
  std::optional<MacAddress> found;
  valid = true;
  while (!options.empty()) {
    if (options.size() < 2 || options[1] == 0 || options.size() < 8U * options[1]) {
      valid = false;
      return std::nullopt;
    }
    if (options[0] == type && !found) {
      found = reinterpret_cast<const LinkLayerOption*>(options.data())->mac;
    }
    options = options.subspan(8U * options[1]);
  }
  return found;
}

/// ff02::1:ffXX:XXXX (RFC 4291 §2.7.1).
constexpr Ipv6Address solicited_node(const Ipv6Address& target) {
  Ipv6Address a{{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0}};
  for (unsigned i = 13; i < 16; ++i) a.bytes[i] = target.bytes[i];
  return a;
}

/// 33:33 and the last four bytes (RFC 2464 §7).
constexpr MacAddress multicast_mac(const Ipv6Address& group) {
  return {{0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]}};
}

}  // namespace weft::wire
