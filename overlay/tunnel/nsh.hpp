#pragma once
/// NSH (RFC 8300) in VXLAN-GPE, in GRE and on Ethernet: service path and service index name what is
/// inside, or where the packet goes next.

#include "tunnel/codec.hpp"
#include "tunnel/gre.hpp"
#include "tunnel/vxlan_gpe.hpp"
#include "wire/nsh.hpp"

namespace weft::tunnel {

/// What is the same on every carrier.
struct NshHeader {
  static VersionSlot append_service(const TunnelProfile& profile, HeaderBuffer& out) {
    if (profile.payload == TunnelPayload::nsh) return {};
    const bool variable = !profile.options.empty();
    std::size_t bytes = sizeof(wire::Nsh) + (variable ? 0 : nsh_context_bytes);
    for (const TunnelOption& option : profile.options) {
      bytes += sizeof(wire::NshMetadata) + padded(option.data.size());
    }
    const auto type = variable ? wire::Nsh::variable : wire::Nsh::fixed;
    const std::size_t begin = out.size();
    out.append(wire::Nsh::make(bytes, type, profile.vni));
    if (!variable) {
      out.append(profile.context);
    }
    for (const TunnelOption& option : profile.options) {
      out.append(wire::NshMetadata{be16(option.option_class), option.type,
                                   static_cast<std::uint8_t>(option.data.size())});
      for (std::size_t i = 0; i < padded(option.data.size()); ++i) {
        out.append(i < option.data.size() ? option.data[i] : std::uint8_t{0});
      }
    }
    const auto with = [&](std::uint8_t next) {
      return static_cast<std::uint16_t>(type << 8 | next);
    };
    return {static_cast<std::uint16_t>(begin + offsetof(wire::Nsh, md_type)), with(wire::Nsh::ipv4),
            with(wire::Nsh::ipv6)};
  }

  /// RFC 8300 §2.2: packets of operation and maintenance, of another version or of a metadata type
  /// that says nothing of its length are dropped. Context is skipped.
  static ParsedHeader parse_service(std::span<const std::uint8_t> in) {
    using wire::Nsh;
    if (in.size() < sizeof(Nsh)) return {.reason = DropReason::tunnel_header_truncated};
    const auto& header = *reinterpret_cast<const Nsh*>(in.data());
    const std::uint8_t type = header.md_type & Nsh::md_type_bits;
    const std::size_t bytes = header.bytes();
    const bool sound = type == Nsh::fixed ? bytes == sizeof(Nsh) + nsh_context_bytes
                                          : type == Nsh::variable && bytes >= sizeof(Nsh);
    if (!sound || header.first.any_of(Nsh::version_bits | Nsh::oam)) {
      return {.reason = DropReason::tunnel_header_invalid};
    }
    if (in.size() < bytes) return {.reason = DropReason::tunnel_header_truncated};
    ParsedHeader parsed{.bytes = static_cast<std::uint16_t>(bytes), .vni = header.path.get()};
    parsed.asks = true;
    switch (header.next_protocol) {
      case Nsh::ethernet:
        break;
      case Nsh::ipv4:
        parsed.payload = Payload::ipv4;
        break;
      case Nsh::ipv6:
        parsed.payload = Payload::ipv6;
        break;
      default:
        parsed.reason = DropReason::tunnel_payload_unsupported;
    }
    return parsed;
  }

 private:
  static constexpr std::size_t padded(std::size_t bytes) { return (bytes + 3) & ~std::size_t{3}; }
};

/// `Front`: what stands in front of NSH, and says that it follows. `append_front()` makes it,
/// `read_front()` reads it as NshFront.
template <class Front>
struct NshOver : Front {
  static VersionSlot append(const TunnelProfile& profile, HeaderBuffer& out) {
    Front::append_front(profile, out);
    return NshHeader::append_service(profile, out);
  }
  static ParsedHeader parse(std::span<const std::uint8_t> in) {
    const auto front = Front::read_front(in);
    if (front.reason != DropReason::none) return {.reason = front.reason};
    ParsedHeader parsed = NshHeader::parse_service(in.subspan(front.bytes));
    parsed.bytes += front.bytes;
    parsed.checksum = front.checksum;
    return parsed;
  }
  /// All are looked at: what stands in front must have the network that the decap names, and the
  /// packet must not have been here too often (RFC 8300 §2.2).
  static bool asks(const Decap&) { return true; }
  static DropReason refusal(const Decap& decap, const ParsedHeader&,
                            std::span<const std::uint8_t> in) {
    const auto front = Front::read_front(in);
    if (front.network != decap.carrier_network) return DropReason::decap_unknown_vni;
    return reinterpret_cast<const wire::Nsh*>(in.data() + front.bytes)->ttl() == 1
               ? DropReason::nsh_ttl_expired
               : DropReason::none;
  }
  /// Where NSH begins in a tunnel header that was read at the start of `in`.
  static std::size_t service_offset(std::span<const std::uint8_t> in) {
    return Front::read_front(in).bytes;
  }
};

/// What a header in front of NSH says.
struct NshFront {
  DropReason reason = DropReason::none;
  std::uint16_t bytes = 0;
  bool checksum = false;
  std::optional<std::uint32_t> network{};
};

struct NshFrontGpe {
  static constexpr TunnelKind kind = TunnelKind::nsh_over_vxlan_gpe;
  static constexpr Carrier carrier = Carrier::udp;
  static constexpr auto ip_protocols = by_udp;

  static void append_front(const TunnelProfile& profile, HeaderBuffer& out) {
    out.append(VxlanGpe::make(profile.carrier_network.value_or(0), wire::VxlanGpe::nsh));
  }
  static NshFront read_front(std::span<const std::uint8_t> in) {
    if (in.size() < sizeof(wire::VxlanGpe)) return {.reason = DropReason::tunnel_header_truncated};
    const auto& header = *reinterpret_cast<const wire::VxlanGpe*>(in.data());
    const bool sound = VxlanGpe::sound(header) && claims(in);
    return {.reason = sound ? DropReason::none : DropReason::tunnel_header_invalid,
            .bytes = sizeof header,
            .network = header.vni()};
  }
  static bool claims(std::span<const std::uint8_t> in) {
    if (in.size() < sizeof(wire::VxlanGpe)) return false;
    const auto& header = *reinterpret_cast<const wire::VxlanGpe*>(in.data());
    return (header.flags & wire::VxlanGpe::next_protocol_valid) != 0 &&
           header.next_protocol == wire::VxlanGpe::nsh;
  }
};

struct NshFrontGre {
  static constexpr TunnelKind kind = TunnelKind::nsh_over_gre;
  static constexpr Carrier carrier = Carrier::ip;
  static constexpr auto ip_protocols = by_gre;

  static void append_front(const TunnelProfile& profile, HeaderBuffer& out) {
    wire::Gre header;
    header.protocol = wire::Nsh::ether_type;
    if (profile.carrier_network) header.flags = wire::Gre::key_present;
    out.append(header);
    if (profile.carrier_network) out.append(wire::GreKey{be32(*profile.carrier_network)});
  }
  static NshFront read_front(std::span<const std::uint8_t> in) {
    const GreHeader gre = read_gre<false>(in);
    NshFront front{.reason = gre.reason,
                   .bytes = gre.bytes,
                   .checksum = (gre.flags & wire::Gre::checksum_present) != 0};
    if ((gre.flags & wire::Gre::key_present) != 0) front.network = gre.key;
    if (gre.reason == DropReason::none && gre.protocol != wire::Nsh::ether_type) {
      front.reason = DropReason::tunnel_payload_unsupported;
    }
    return front;
  }
  static bool claims(std::span<const std::uint8_t> in) {
    return in.size() >= sizeof(wire::Gre) &&
           reinterpret_cast<const wire::Gre*>(in.data())->protocol.get() == wire::Nsh::ether_type;
  }
};

struct NshFrontEthernet {
  static constexpr TunnelKind kind = TunnelKind::nsh_over_ethernet;
  static constexpr Carrier carrier = Carrier::ethernet;
  static constexpr auto ip_protocols = by_no_ip;
  static constexpr std::uint16_t ether_type = wire::Nsh::ether_type;

  static void append_front(const TunnelProfile&, HeaderBuffer&) {}
  static NshFront read_front(std::span<const std::uint8_t>) { return {}; }
};

using NshOverVxlanGpe = NshOver<NshFrontGpe>;
using NshOverGre = NshOver<NshFrontGre>;
using NshOverEthernet = NshOver<NshFrontEthernet>;
static_assert(TunnelCodec<NshOverVxlanGpe> && TunnelCodec<NshOverGre> &&
              TunnelCodec<NshOverEthernet>);

}  // namespace weft::tunnel
