#pragma once
/// SRv6 (RFC 8754, RFC 8986): IP in IPv6 that visits segments, the last of which takes it out.

#include <cstddef>

#include "tunnel/codec.hpp"
#include "wire/ipv6.hpp"
#include "wire/segment_routing.hpp"

namespace weft::tunnel {

struct Srv6 {
  static constexpr TunnelKind kind = TunnelKind::srv6;
  static constexpr Carrier carrier = Carrier::ip;
  static constexpr std::uint8_t ipv4_inside = 4;
  static constexpr std::uint8_t ipv6_inside = 41;
  static constexpr std::array<std::uint8_t, 3> ip_protocols{wire::SegmentRouting::protocol,
                                                            ipv4_inside, ipv6_inside};

  /// RFC 8986 §5.1; reduced, §5.2: the first need not be listed, since the packet goes there, and
  /// where nothing is listed there is no header.
  static VersionSlot append(const TunnelProfile& profile, HeaderBuffer& out) {
    const auto& segments = profile.segments;
    const std::size_t listed = segments.size() - (profile.reduced && !segments.empty() ? 1 : 0);
    if (listed == 0) return slot(offsetof(wire::Ipv6, next_header), profile.ttl);
    wire::SegmentRouting header;
    header.length = static_cast<std::uint8_t>(2 * listed);
    header.segments_left = static_cast<std::uint8_t>(segments.size() - 1);
    header.last_entry = static_cast<std::uint8_t>(listed - 1);
    const std::size_t begin = out.size();
    out.append(header);
    for (std::size_t i = 0; i < listed; ++i) out.append(segments[segments.size() - 1 - i]);
    return slot(begin, header.length);
  }

  /// A routing header (RFC 8754 §4.3.1.1), or the inner packet at once.
  static ParsedHeader parse(std::uint8_t protocol, std::span<const std::uint8_t> in) {
    using wire::SegmentRouting;
    ParsedHeader parsed;
    if (protocol == SegmentRouting::protocol) {
      if (in.size() < sizeof(SegmentRouting))
        return {.reason = DropReason::tunnel_header_truncated};
      const auto& header = *reinterpret_cast<const SegmentRouting*>(in.data());
      if (in.size() < header.bytes()) return {.reason = DropReason::tunnel_header_truncated};
      if (header.routing_type != SegmentRouting::type || header.last_entry >= header.room() ||
          header.segments_left > header.last_entry + 1U) {
        return {.reason = DropReason::tunnel_header_invalid};
      }
      parsed.bytes = static_cast<std::uint16_t>(header.bytes());
      parsed.asks = header.segments_left != 0;
      protocol = header.next_header;
    }
    parsed.payload = protocol == ipv4_inside ? Payload::ipv4 : Payload::ipv6;
    if (protocol != ipv4_inside && protocol != ipv6_inside && !parsed.asks) {
      parsed.reason = DropReason::tunnel_payload_unsupported;
    }
    return parsed;
  }

  static bool claims(std::span<const std::uint8_t>) { return true; }

  static bool asks(const Decap& decap) {
    return decap.behaviour != SegmentBehaviour::dt46 && decap.behaviour != SegmentBehaviour::dx46;
  }
  /// RFC 8986 §4.1 and §4.6: End passes on what has segments left, the others take what has none.
  static DropReason refusal(const Decap& decap, const ParsedHeader& header,
                            std::span<const std::uint8_t>) {
    using enum SegmentBehaviour;
    const SegmentBehaviour b = decap.behaviour;
    if (passes_on(b) != header.asks) return DropReason::srv6_segments_left;
    if (passes_on(b)) return DropReason::none;
    const bool v4 = header.payload == Payload::ipv4;
    const bool wrong = v4 ? b == dt6 || b == dx6 : b == dt4 || b == dx4;
    return wrong ? DropReason::tunnel_payload_unsupported : DropReason::none;
  }

 private:
  /// Of a next header and the byte behind it.
  static VersionSlot slot(std::size_t at, std::uint8_t second) {
    return {static_cast<std::uint16_t>(at),
            static_cast<std::uint16_t>(std::uint16_t{ipv4_inside} << 8 | second),
            static_cast<std::uint16_t>(std::uint16_t{ipv6_inside} << 8 | second)};
  }
};
static_assert(TunnelCodec<Srv6>);

}  // namespace weft::tunnel
