#pragma once
/// VXLAN (RFC 7348): Ethernet in UDP with a 24-bit network identifier.

#include "tunnel/codec.hpp"
#include "wire/ipv4.hpp"
#include "wire/vxlan.hpp"

namespace weft::tunnel {

struct Vxlan {
  static constexpr TunnelKind kind = TunnelKind::vxlan;
  static constexpr Carrier carrier = Carrier::udp;
  static constexpr auto ip_protocols = by_udp;

  static VersionSlot append(const TunnelProfile& profile, HeaderBuffer& out) {
    wire::Vxlan header;
    header.flags = wire::Vxlan::vni_valid;
    header.vni_reserved = profile.vni << 8;
    set_reserved(header, profile.reserved);
    out.append(header);
    return {};
  }

  /// RFC 7348 §5: the I flag must be set; of reserved bits only a decap's marks speak.
  [[gnu::always_inline]] static ParsedHeader parse(std::span<const std::uint8_t> in) {
    if (in.size() < sizeof(wire::Vxlan)) return {.reason = DropReason::tunnel_header_truncated};
    const auto& header = *reinterpret_cast<const wire::Vxlan*>(in.data());
    if ((header.flags & wire::Vxlan::vni_valid) == 0) {
      return {.reason = DropReason::tunnel_header_invalid};
    }
    return {.bytes = sizeof(wire::Vxlan), .payload = Payload::ethernet, .vni = header.vni()};
  }
};
static_assert(TunnelCodec<Vxlan>);

}  // namespace weft::tunnel
