#pragma once
/// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe): VXLAN that says what it holds.

#include "tunnel/codec.hpp"
#include "wire/ipv4.hpp"
#include "wire/vxlan_gpe.hpp"

namespace weft::tunnel {

struct VxlanGpe {
  static constexpr TunnelKind kind = TunnelKind::vxlan_gpe;
  static constexpr Carrier carrier = Carrier::udp;
  static constexpr auto ip_protocols = by_udp;

  /// Whatever follows it.
  static wire::VxlanGpe make(std::uint32_t vni, std::uint8_t next_protocol) {
    wire::VxlanGpe header;
    header.flags = wire::VxlanGpe::vni_valid | wire::VxlanGpe::next_protocol_valid;
    header.next_protocol = next_protocol;
    header.vni_reserved = vni << 8;
    return header;
  }
  /// §3.1: the version is 0 and the I flag set. What is for operation and maintenance is not
  /// forwarded (O bit).
  [[gnu::always_inline]] static bool sound(const wire::VxlanGpe& header) {
    using wire::VxlanGpe;
    constexpr std::uint8_t decisive = VxlanGpe::version_bits | VxlanGpe::vni_valid | VxlanGpe::oam;
    return (header.flags & decisive) == VxlanGpe::vni_valid;
  }

  static VersionSlot append(const TunnelProfile& profile, HeaderBuffer& out) {
    const std::size_t begin = out.size();
    wire::VxlanGpe header = make(profile.vni, wire::VxlanGpe::ethernet);
    set_reserved(header, profile.reserved);
    out.append(header);
    const auto reserved = static_cast<std::uint16_t>(header.reserved[1] << 8);
    const auto with = [&](std::uint8_t next) {
      return static_cast<std::uint16_t>(reserved | next);
    };
    return {static_cast<std::uint16_t>(begin + 2), with(wire::VxlanGpe::ipv4),
            with(wire::VxlanGpe::ipv6)};
  }

  /// §3.1: without the P flag there is Ethernet inside.
  [[gnu::always_inline]] static ParsedHeader parse(std::span<const std::uint8_t> in) {
    using wire::VxlanGpe;
    if (in.size() < sizeof(VxlanGpe)) return {.reason = DropReason::tunnel_header_truncated};
    const auto& header = *reinterpret_cast<const VxlanGpe*>(in.data());
    if (!sound(header)) return {.reason = DropReason::tunnel_header_invalid};
    ParsedHeader parsed{.bytes = sizeof header, .vni = header.vni()};
    if ((header.flags & VxlanGpe::next_protocol_valid) == 0) return parsed;
    switch (header.next_protocol) {
      case VxlanGpe::ethernet:
        break;
      case VxlanGpe::ipv4:
        parsed.payload = Payload::ipv4;
        break;
      case VxlanGpe::ipv6:
        parsed.payload = Payload::ipv6;
        break;
      default:
        parsed.reason = DropReason::tunnel_payload_unsupported;
    }
    return parsed;
  }
};
static_assert(TunnelCodec<VxlanGpe>);

}  // namespace weft::tunnel
