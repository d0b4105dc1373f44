#pragma once
/// GENEVE (RFC 8926): anything in UDP with a 24-bit network identifier and options.

#include "tunnel/codec.hpp"
#include "wire/geneve.hpp"
#include "wire/ipv4.hpp"

namespace weft::tunnel {

struct Geneve {
  static constexpr TunnelKind kind = TunnelKind::geneve;
  static constexpr Carrier carrier = Carrier::udp;
  static constexpr auto ip_protocol = static_cast<std::uint8_t>(wire::IpProtocol::udp);
  static constexpr VersionSlot version_slot = ether_type_slot;

  static void append(const TunnelProfile& profile, HeaderBuffer& out) {
    wire::Geneve header;
    header.protocol = transparent_ethernet;
    header.vni_reserved = profile.vni << 8;
    out.append(header);
  }

  /// RFC 8926 §3.4: the version is 0; what is for control is not forwarded. §3.5.1: options that
  /// nobody knows are skipped, but critical ones are a reason to drop.
  [[gnu::always_inline]] static ParsedHeader parse(std::span<const std::uint8_t> in) {
    if (in.size() < sizeof(wire::Geneve)) return {.reason = DropReason::tunnel_header_truncated};
    const auto& header = *reinterpret_cast<const wire::Geneve*>(in.data());
    const std::size_t options = header.options_bytes();
    if (in.size() < sizeof header + options) return {.reason = DropReason::tunnel_header_truncated};
    if (header.version() != 0 || (header.flags & wire::Geneve::control) != 0) {
      return {.reason = DropReason::tunnel_header_invalid};
    }
    ParsedHeader parsed{.bytes = static_cast<std::uint16_t>(sizeof header + options),
                        .vni = header.vni()};
    if (options != 0) parsed.reason = check_options(in.subspan(sizeof header, options));
    const auto payload = payload_of(header.protocol.get());
    if (payload) {
      parsed.payload = *payload;
    } else if (parsed.reason == DropReason::none) {
      parsed.reason = DropReason::tunnel_payload_unsupported;
    }
    return parsed;
  }

 private:
  [[gnu::noinline]] static DropReason check_options(std::span<const std::uint8_t> options) {
    while (!options.empty()) {  // whole words
      const auto& option = *reinterpret_cast<const wire::GeneveOption*>(options.data());
      if (option.bytes() > options.size()) return DropReason::tunnel_header_invalid;
      if ((option.type & wire::GeneveOption::critical) != 0)
        return DropReason::tunnel_option_unknown;
      options = options.subspan(option.bytes());
    }
    return DropReason::none;
  }
};
static_assert(TunnelCodec<Geneve>);

}  // namespace weft::tunnel
