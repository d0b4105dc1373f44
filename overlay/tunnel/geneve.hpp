#pragma once
/// GENEVE (RFC 8926): anything in UDP with a 24-bit network identifier and options.

#include <algorithm>

#include "tunnel/codec.hpp"
#include "wire/geneve.hpp"
#include "wire/ipv4.hpp"

namespace weft::tunnel {

struct Geneve {
  static constexpr TunnelKind kind = TunnelKind::geneve;
  static constexpr Carrier carrier = Carrier::udp;
  static constexpr auto ip_protocols = by_udp;

  static VersionSlot append(const TunnelProfile& profile, HeaderBuffer& out) {
    wire::Geneve header;
    header.protocol = transparent_ethernet;
    header.vni_reserved = profile.vni << 8;
    std::size_t words = 0;
    for (const TunnelOption& option : profile.options) {
      words += 1 + option.data.size() / 4;
      if (wire::GeneveOption::is_critical(option.type)) header.flags = wire::Geneve::critical;
    }
    header.version_options = static_cast<std::uint8_t>(words);
    const std::size_t begin = out.size();
    out.append(header);
    for (const TunnelOption& option : profile.options) {
      wire::GeneveOption made;
      made.option_class = option.option_class;
      made.type = option.type;
      made.length = static_cast<std::uint8_t>(option.data.size() / 4);
      out.append(made);
      for (const std::uint8_t byte : option.data) out.append(byte);
    }
    return ether_type_slot(begin);
  }

  /// RFC 8926 §3.4: the version is 0; what is for control is not forwarded. Of critical options the
  /// decap must know.
  [[gnu::always_inline]] static ParsedHeader parse(std::span<const std::uint8_t> in) {
    if (in.size() < sizeof(wire::Geneve)) return {.reason = DropReason::tunnel_header_truncated};
    const auto& header = *reinterpret_cast<const wire::Geneve*>(in.data());
    std::uint32_t first;
    std::memcpy(&first, &header, sizeof first);
    if (first == as_most_begin) [[likely]]
      return {.bytes = sizeof header, .vni = header.vni()};
    const std::size_t options = header.options_bytes();
    if (in.size() < sizeof header + options) return {.reason = DropReason::tunnel_header_truncated};
    if (header.version() != 0 || (header.flags & wire::Geneve::control) != 0) {
      return {.reason = DropReason::tunnel_header_invalid};
    }
    ParsedHeader parsed{.bytes = static_cast<std::uint16_t>(sizeof header + options),
                        .vni = header.vni()};
    if (options != 0) read_options(in.subspan(sizeof header, options), parsed);
    const auto payload = payload_of(header.protocol.get());
    if (payload) {
      parsed.payload = *payload;
    } else if (parsed.reason == DropReason::none) {
      parsed.reason = DropReason::tunnel_payload_unsupported;
    }
    return parsed;
  }

  static bool asks(const Decap& decap) { return !decap.options.empty(); }
  /// §3.5.1: options that nobody knows are skipped, but critical ones are a reason to drop.
  static DropReason refusal(const Decap& decap, const ParsedHeader& header,
                            std::span<const std::uint8_t> in) {
    const auto options = in.subspan(sizeof(wire::Geneve), header.bytes - sizeof(wire::Geneve));
    bool unknown = false;
    each_option(options, [&](const wire::GeneveOption& option, auto) {
      unknown |= wire::GeneveOption::is_critical(option.type) &&
                 std::none_of(decap.options.begin(), decap.options.end(),
                              [&](const TunnelOption& known) { return same_type(option, known); });
    });
    if (unknown) return DropReason::tunnel_option_unknown;
    for (const TunnelOption& wanted : decap.options) {
      bool found = false;
      each_option(options, [&](const wire::GeneveOption& option, auto data) {
        found |= same_type(option, wanted) &&
                 std::equal(data.begin(), data.end(), wanted.data.begin(), wanted.data.end());
      });
      if (!found) return DropReason::tunnel_option_missing;
    }
    return DropReason::none;
  }

 private:
  /// No options, nothing for control, and a frame inside.
  static constexpr auto as_most_begin = std::bit_cast<std::uint32_t>(
      std::array<std::uint8_t, 4>{0, 0, transparent_ethernet >> 8, transparent_ethernet & 0xff});

  static bool same_type(const wire::GeneveOption& option, const TunnelOption& other) {
    return option.option_class.get() == other.option_class && option.type == other.type;
  }
  /// `options`: whole words. False: one of them is longer than what there is.
  template <class F>
  static bool each_option(std::span<const std::uint8_t> options, F&& f) {
    while (!options.empty()) {
      const auto& option = *reinterpret_cast<const wire::GeneveOption*>(options.data());
      if (option.bytes() > options.size()) return false;
      f(option, options.subspan(sizeof option, option.bytes() - sizeof option));
      options = options.subspan(option.bytes());
    }
    return true;
  }
  [[gnu::noinline]] static void read_options(std::span<const std::uint8_t> options,
                                             ParsedHeader& parsed) {
    const bool whole = each_option(options, [&](const wire::GeneveOption& option, auto) {
      parsed.asks |= wire::GeneveOption::is_critical(option.type);
    });
    if (!whole) parsed.reason = DropReason::tunnel_header_invalid;
  }
};
static_assert(TunnelCodec<Geneve>);

}  // namespace weft::tunnel
