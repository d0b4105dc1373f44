#pragma once
/// MPLS in UDP (RFC 7510), in GRE (RFC 4023) and in MPLS, on Ethernet (RFC 3032): IP behind a stack
/// of labels, the last of which names the network.

#include "tunnel/codec.hpp"
#include "tunnel/gre.hpp"
#include "wire/ipv4.hpp"
#include "wire/mpls.hpp"

namespace weft::tunnel {

/// What all kinds with labels share.
struct Labels {
  static void append_stack(const TunnelProfile& profile, HeaderBuffer& out) {
    for (const std::uint32_t label : profile.labels) {
      out.append(wire::MplsLabel::make(label, false, profile.ttl));
    }
    out.append(wire::MplsLabel::make(profile.vni, true, profile.ttl));
  }

  /// All labels down to the last, which is the network's; the decap knows what may stand in front.
  [[gnu::always_inline]] static ParsedHeader parse_stack(std::span<const std::uint8_t> in) {
    ParsedHeader parsed{.payload = Payload::ip};
    for (std::size_t i = 0; i < max_labels; ++i) {
      if (in.size() < (i + 1) * sizeof(wire::MplsLabel)) {
        return {.reason = DropReason::tunnel_header_truncated};
      }
      const wire::MplsLabel& label = label_at(in, i);
      if (!label.bottom()) continue;
      parsed.bytes = static_cast<std::uint16_t>((i + 1) * sizeof label);
      parsed.asks = i != 0;
      parsed.vni = label.label();
      return parsed;
    }
    return {.reason = DropReason::tunnel_header_invalid};
  }

  static bool asks(const Decap& decap) { return !decap.labels.empty(); }
  /// Explicit nulls may be anywhere in front (RFC 4182).
  static DropReason refuse_stack(const Decap& decap, std::span<const std::uint8_t> in) {
    auto wanted = decap.labels.begin();
    for (std::size_t i = 0; !label_at(in, i).bottom(); ++i) {
      const std::uint32_t label = label_at(in, i).label();
      if (label == wire::MplsLabel::ipv4_null || label == wire::MplsLabel::ipv6_null) continue;
      if (wanted == decap.labels.end() || *wanted != label) return DropReason::label_unexpected;
      ++wanted;
    }
    return wanted == decap.labels.end() ? DropReason::none : DropReason::label_unexpected;
  }

 private:
  static const wire::MplsLabel& label_at(std::span<const std::uint8_t> in, std::size_t i) {
    return reinterpret_cast<const wire::MplsLabel*>(in.data())[i];
  }
};

/// A stack with nothing in front of it.
struct BareLabels : Labels {
  static VersionSlot append(const TunnelProfile& profile, HeaderBuffer& out) {
    append_stack(profile, out);
    return {};
  }
  [[gnu::always_inline]] static ParsedHeader parse(std::span<const std::uint8_t> in) {
    return parse_stack(in);
  }
  static DropReason refusal(const Decap& decap, const ParsedHeader&,
                            std::span<const std::uint8_t> in) {
    return refuse_stack(decap, in);
  }
};

struct MplsOverUdp : BareLabels {
  static constexpr TunnelKind kind = TunnelKind::mpls_over_udp;
  static constexpr Carrier carrier = Carrier::udp;
  static constexpr auto ip_protocols = by_udp;
};

struct MplsOverGre : Labels {
  static constexpr TunnelKind kind = TunnelKind::mpls_over_gre;
  static constexpr Carrier carrier = Carrier::ip;
  static constexpr auto ip_protocols = by_gre;

  static VersionSlot append(const TunnelProfile& profile, HeaderBuffer& out) {
    wire::Gre header;
    header.protocol = mpls_ether_type;
    out.append(header);
    append_stack(profile, out);
    return {};
  }
  [[gnu::always_inline]] static ParsedHeader parse(std::span<const std::uint8_t> in) {
    const GreHeader gre = read_gre<false>(in);
    if (gre.reason != DropReason::none) return {.reason = gre.reason};
    ParsedHeader parsed = parse_stack(in.subspan(gre.bytes));
    if (gre.protocol != mpls_ether_type) parsed.reason = DropReason::tunnel_payload_unsupported;
    parsed.bytes += gre.bytes;
    parsed.checksum = (gre.flags & wire::Gre::checksum_present) != 0;
    return parsed;
  }
  static DropReason refusal(const Decap& decap, const ParsedHeader&,
                            std::span<const std::uint8_t> in) {
    return refuse_stack(decap, in.subspan(read_gre<false>(in).bytes));
  }
  static bool claims(std::span<const std::uint8_t> in) {
    return in.size() >= sizeof(wire::Gre) &&
           reinterpret_cast<const wire::Gre*>(in.data())->protocol.get() == mpls_ether_type;
  }
};

struct MplsOverMpls : BareLabels {
  static constexpr TunnelKind kind = TunnelKind::mpls_over_mpls;
  static constexpr Carrier carrier = Carrier::ethernet;
  static constexpr auto ip_protocols = by_no_ip;
  static constexpr std::uint16_t ether_type = mpls_ether_type;
};
static_assert(TunnelCodec<MplsOverUdp> && TunnelCodec<MplsOverGre> && TunnelCodec<MplsOverMpls>);

}  // namespace weft::tunnel
