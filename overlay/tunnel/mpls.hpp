#pragma once
/// MPLS in UDP (RFC 7510) and in GRE (RFC 4023): IP behind a label that names the network.

#include "tunnel/codec.hpp"
#include "tunnel/gre.hpp"
#include "wire/ipv4.hpp"
#include "wire/mpls.hpp"

namespace weft::tunnel {

inline void append_label(const TunnelProfile& profile, HeaderBuffer& out) {
  out.append(wire::MplsLabel::make(profile.vni, true, profile.ttl));
}

/// One label, which must be the last: the tunnel ends where it was given out.
[[gnu::always_inline]] inline ParsedHeader parse_label(std::span<const std::uint8_t> in) {
  if (in.size() < sizeof(wire::MplsLabel)) return {.reason = DropReason::tunnel_header_truncated};
  const auto& label = *reinterpret_cast<const wire::MplsLabel*>(in.data());
  return {.reason = label.bottom() ? DropReason::none : DropReason::tunnel_header_invalid,
          .bytes = sizeof label,
          .payload = Payload::ip,
          .vni = label.label()};
}

struct MplsOverUdp {
  static constexpr TunnelKind kind = TunnelKind::mpls_over_udp;
  static constexpr Carrier carrier = Carrier::udp;
  static constexpr auto ip_protocol = static_cast<std::uint8_t>(wire::IpProtocol::udp);
  static constexpr VersionSlot version_slot = no_version_slot;

  static void append(const TunnelProfile& profile, HeaderBuffer& out) {
    append_label(profile, out);
  }
  [[gnu::always_inline]] static ParsedHeader parse(std::span<const std::uint8_t> in) {
    return parse_label(in);
  }
};

struct MplsOverGre {
  static constexpr TunnelKind kind = TunnelKind::mpls_over_gre;
  static constexpr Carrier carrier = Carrier::ip;
  static constexpr std::uint8_t ip_protocol = gre_protocol;
  static constexpr VersionSlot version_slot = no_version_slot;

  static void append(const TunnelProfile& profile, HeaderBuffer& out) {
    wire::Gre header;
    header.protocol = mpls_ether_type;
    out.append(header);
    append_label(profile, out);
  }
  [[gnu::always_inline]] static ParsedHeader parse(std::span<const std::uint8_t> in) {
    const GreHeader gre = read_gre(in);
    if (gre.reason != DropReason::none) return {.reason = gre.reason};
    ParsedHeader parsed = parse_label(in.subspan(gre.bytes));
    if (gre.protocol != mpls_ether_type) parsed.reason = DropReason::tunnel_payload_unsupported;
    parsed.bytes += gre.bytes;
    parsed.checksum = (gre.flags & wire::Gre::checksum_present) != 0;
    return parsed;
  }
  static bool claims(std::span<const std::uint8_t> in) {
    return in.size() >= sizeof(wire::Gre) &&
           reinterpret_cast<const wire::Gre*>(in.data())->protocol.get() == mpls_ether_type;
  }
};
static_assert(TunnelCodec<MplsOverUdp> && TunnelCodec<MplsOverGre>);

}  // namespace weft::tunnel
