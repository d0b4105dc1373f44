#pragma once
/// IPv6 header (RFC 8200 §3).
///
///    version:4 traffic class:8 flow label:20
///    payload length (2) | next header | hop limit
///    source (16)
///    destination (16)

#include <cstdint>
#include <span>

#include "weft/address.hpp"
#include "weft/big_endian.hpp"
#include "wire/ipv4.hpp"

namespace weft::wire {

struct Ipv6 {
  be32 version_class_label;
  be16 payload_length;
  std::uint8_t next_header = 0;
  std::uint8_t hop_limit = 0;
  Ipv6Address source;
  Ipv6Address destination;

  [[nodiscard]] unsigned version() const { return version_class_label.get() >> 28; }
  [[nodiscard]] std::uint8_t traffic_class() const {
    return static_cast<std::uint8_t>(version_class_label.get() >> 20);
  }
  void set_traffic_class(std::uint8_t value) {
    version_class_label =
        (version_class_label.get() & 0xf00fffff) | static_cast<std::uint32_t>(value) << 20;
  }
  void set_flow_label(std::uint32_t value) {
    version_class_label = (version_class_label.get() & 0xfff00000) | value;
  }
};
static_assert(sizeof(Ipv6) == 40 && alignof(Ipv6) == 1);

/// Cuts up a datagram (RFC 8200 §4.5).
///
///    next header | reserved | offset:13 reserved:2 more:1
///    identification (4)
struct FragmentHeader {
  std::uint8_t next_header = 0;
  std::uint8_t reserved = 0;
  be16 place;
  be32 identification;
};
static_assert(sizeof(FragmentHeader) == 8 && alignof(FragmentHeader) == 1);

/// Whether a next-header value stands for a header that comes before the upper layer (RFC 7045 §4).
/// Not so ESP and AH (50, 51), which are seldom told apart from one.
constexpr bool is_extension_header(std::uint8_t next_header) {
  switch (next_header) {
    case 0:    // hop-by-hop options
    case 43:   // routing
    case 44:   // fragment
    case 60:   // destination options
    case 135:  // mobility
    case 139:  // host identity
    case 140:  // shim6
      return true;
    default:
      return false;
  }
}

/// Where the upper layer starts and what it is, behind the extension headers (RFC 8200 §4).
struct UpperLayer {
  std::uint16_t offset = sizeof(Ipv6);  ///< bytes from the IPv6 header
  std::uint8_t protocol = 0;            ///< the last next-header value that was read
  bool fragment = false;                ///< one piece of several (RFC 8200 §4.5)
  std::uint8_t fragmentable = 0;        ///< with it: what the pieces' common part begins with
  std::uint16_t fragment_offset = 0;    ///< with it: bytes to the fragment header
  bool complete = false;                ///< `protocol` is an upper layer and lies inside the packet
};

/// Walks at most eight extension headers of the packet that starts at `packet` (its IPv6 header
/// must be inside). A chain that ends early or is longer answers `complete = false`.
inline UpperLayer find_upper_layer(std::span<const std::uint8_t> packet) {
  UpperLayer upper;
  upper.protocol = reinterpret_cast<const Ipv6*>(packet.data())->next_header;
  constexpr unsigned most = 8;
  for (unsigned hops = 0;; ++hops) {
    std::size_t bytes = 0;
    switch (upper.protocol) {
      case 0:     // hop-by-hop options
      case 43:    // routing
      case 60: {  // destination options
        if (packet.size() < upper.offset + 8U) return upper;
        bytes = 8U * (packet[upper.offset + 1U] + 1U);
        break;
      }
      case 44: {  // fragment
        if (packet.size() < upper.offset + 8U) return upper;
        bytes = 8;
        // Alone in its packet it cuts up nothing (RFC 6946).
        const unsigned place = packet[upper.offset + 2U] << 8 | packet[upper.offset + 3U];
        if ((place & 0xfff9) != 0) {
          if (!upper.fragment) {
            upper.fragmentable = packet[upper.offset];
            upper.fragment_offset = upper.offset;
          }
          upper.fragment = true;
          // Behind the header of a later piece stands the middle of something.
          if (place >> 3 != 0) return upper;
        }
        break;
      }
      default:
        upper.complete = upper.offset <= packet.size();
        return upper;
    }
    if (hops == most || packet.size() < upper.offset + bytes) return upper;
    upper.protocol = packet[upper.offset];
    upper.offset = static_cast<std::uint16_t>(upper.offset + bytes);
  }
}

}  // namespace weft::wire
