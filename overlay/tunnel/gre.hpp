#pragma once
/// GRE (RFC 2784) without a key and with one that names the network (RFC 2890): two kinds, of which
/// each takes what is its own.

#include "tunnel/codec.hpp"
#include "wire/gre.hpp"

namespace weft::tunnel {

/// What a GRE header says, whatever its kind makes of it.
struct GreHeader {
  DropReason reason = DropReason::none;
  std::uint16_t bytes = 0;
  std::uint16_t flags = 0;
  std::uint16_t protocol = 0;
  std::uint32_t key = 0;
};

/// `keyed`: most have a key; beside that most have no optional field.
template <bool keyed>
[[gnu::always_inline]] inline GreHeader read_gre(std::span<const std::uint8_t> in) {
  using wire::Gre;
  if (in.size() < sizeof(Gre)) return {.reason = DropReason::tunnel_header_truncated};
  const auto& header = *reinterpret_cast<const Gre*>(in.data());
  GreHeader read{.flags = header.flags.get(), .protocol = header.protocol.get()};
  constexpr std::uint16_t least_bytes = sizeof(Gre) + (keyed ? sizeof(wire::GreKey) : 0);
  if (read.flags == (keyed ? Gre::key_present : 0) && in.size() >= least_bytes) [[likely]] {
    read.bytes = least_bytes;
    if (keyed) read.key = reinterpret_cast<const wire::GreKey*>(&header + 1)->value.get();
    return read;
  }
  const auto words = [&](std::uint16_t flag) { return (read.flags & flag) != 0 ? 4U : 0U; };
  const std::size_t key_at = sizeof(Gre) + words(Gre::checksum_present);
  const std::size_t bytes = key_at + words(Gre::key_present) + words(Gre::sequence_present);
  if ((read.flags & Gre::must_be_zero) != 0) {
    read.reason = DropReason::tunnel_header_invalid;
  } else if (in.size() < bytes) {
    read.reason = DropReason::tunnel_header_truncated;
  } else if ((read.flags & Gre::key_present) != 0) {
    read.key = reinterpret_cast<const wire::GreKey*>(in.data() + key_at)->value.get();
  }
  read.bytes = static_cast<std::uint16_t>(bytes);
  return read;
}

template <bool keyed>
struct AnyGre {
  static constexpr TunnelKind kind = keyed ? TunnelKind::keyed_gre : TunnelKind::gre;
  static constexpr Carrier carrier = Carrier::ip;
  static constexpr auto ip_protocols = by_gre;

  static VersionSlot append(const TunnelProfile& profile, HeaderBuffer& out) {
    wire::Gre header;
    header.flags = keyed ? wire::Gre::key_present : std::uint16_t{0};
    header.protocol = transparent_ethernet;
    const std::size_t begin = out.size();
    out.append(header);
    if constexpr (keyed) out.append(wire::GreKey{be32(profile.vni)});
    return ether_type_slot(begin);
  }

  /// RFC 2784 §2.3, RFC 2890 §2: sequence numbers are not looked at.
  [[gnu::always_inline]] static ParsedHeader parse(std::span<const std::uint8_t> in) {
    const GreHeader header = read_gre<keyed>(in);
    if (header.reason != DropReason::none) return {.reason = header.reason};
    const auto payload = payload_of(header.protocol);
    return {.reason = payload ? DropReason::none : DropReason::tunnel_payload_unsupported,
            .bytes = header.bytes,
            .payload = payload.value_or(Payload::ethernet),
            .checksum = (header.flags & wire::Gre::checksum_present) != 0,
            .vni = header.key};
  }

  /// Whether a packet of GRE, whole or not, is of this kind.
  static bool claims(std::span<const std::uint8_t> in) {
    if (in.size() < sizeof(wire::Gre)) return true;
    const auto& header = *reinterpret_cast<const wire::Gre*>(in.data());
    return header.protocol.get() != mpls_ether_type &&
           header.flags.any_of(wire::Gre::key_present) == keyed;
  }
};
using Gre = AnyGre<false>;
using KeyedGre = AnyGre<true>;
static_assert(TunnelCodec<Gre> && TunnelCodec<KeyedGre>);

}  // namespace weft::tunnel
