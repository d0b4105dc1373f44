#pragma once
/// The tunnel kinds there are: the one place that names them all.

#include <algorithm>
#include <tuple>

#include "tunnel/codec.hpp"
#include "tunnel/geneve.hpp"
#include "tunnel/gre.hpp"
#include "tunnel/mpls.hpp"
#include "tunnel/nsh.hpp"
#include "tunnel/srv6.hpp"
#include "tunnel/vxlan.hpp"
#include "tunnel/vxlan_gpe.hpp"

namespace weft::tunnel {

using Kinds = std::tuple<Vxlan, VxlanGpe, Geneve, Gre, KeyedGre, MplsOverUdp, MplsOverGre, Srv6,
                         MplsOverMpls, NshOverVxlanGpe, NshOverGre, NshOverEthernet>;

/// The most common, to which the others give way.
using FirstKind = std::tuple_element_t<0, Kinds>;

/// Calls `f` with a value of the codec of `kind`; answers `otherwise` for a kind without codec.
template <class Answer, class F>
[[gnu::always_inline]] constexpr Answer with_codec(TunnelKind kind, Answer otherwise, F&& f) {
  return std::apply(
      [&]<TunnelCodec... Codec>(Codec... codec) {
        (void)((codec.kind == kind && (otherwise = f(codec), true)) || ...);
        return otherwise;
      },
      Kinds{});
}

/// Reads a tunnel header at the start of `in`, which reaches to the end of the packet. `protocol`:
/// the IP protocol that it goes by.
template <TunnelCodec Codec>
[[gnu::always_inline]] inline ParsedHeader parse_header(std::uint8_t protocol,
                                                        std::span<const std::uint8_t> in) {
  if constexpr (requires { Codec::parse(protocol, in); }) {
    return Codec::parse(protocol, in);
  } else {
    return Codec::parse(in);
  }
}
/// The same of any kind.
[[gnu::noinline]] inline ParsedHeader parse_any_header(TunnelKind kind, std::uint8_t protocol,
                                                       std::span<const std::uint8_t> in) {
  return with_codec(kind, ParsedHeader{.reason = DropReason::tunnel_header_invalid},
                    [&]<class Codec>(Codec) { return parse_header<Codec>(protocol, in); });
}

/// Of the kinds that share the ports of `kind` the one that claims the bytes behind the UDP header,
/// or else `kind`.
inline TunnelKind kind_on_udp(TunnelKind kind, std::span<const std::uint8_t> in) {
  TunnelKind claimant = kind;
  const auto ask = [&](auto codec) {
    if constexpr (codec.carrier == Carrier::udp && requires { codec.claims(in); }) {
      constexpr TunnelKind of_port = kind_of_port(codec.kind);
      if (of_port == kind && codec.claims(in)) claimant = codec.kind;
    }
  };
  std::apply([&](auto... codec) { (ask(codec), ...); }, Kinds{});
  return claimant;
}

/// The same of what rides on UDP, to a port of `kind`, which becomes what the header says. The
/// first of all kinds costs nobody a call.
[[gnu::always_inline]] inline ParsedHeader parse_behind_udp(TunnelKind& kind,
                                                            std::span<const std::uint8_t> in) {
  if (kind == FirstKind::kind) return FirstKind::parse(in);
  kind = kind_on_udp(kind, in);
  return parse_any_header(kind, by_udp.front(), in);
}

/// Whether `decap` looks at each header before it takes it.
inline bool asks(const Decap& decap) {
  return !decap.marks.empty() || with_codec(decap.kind, false, [&](auto codec) {
    if constexpr (requires { codec.asks(decap); }) return codec.asks(decap);
    return false;
  });
}
/// Why it does not take `header`, which was read at the start of `in`; none: it does.
[[gnu::noinline]] inline DropReason refusal(const Decap& decap, const ParsedHeader& header,
                                            std::span<const std::uint8_t> in) {
  return with_codec(decap.kind, DropReason::none, [&](auto codec) {
    if constexpr (requires { codec.refusal(decap, header, in); }) {
      return codec.refusal(decap, header, in);
    }
    return DropReason::none;
  });
}

/// The kind that rides on IP by `protocol` and claims the bytes behind the IP header; none: it is
/// no tunnel.
inline TunnelKind kind_on_ip(std::uint8_t protocol, std::span<const std::uint8_t> in) {
  TunnelKind kind = TunnelKind::none;
  const auto ask = [&](auto codec) {
    if constexpr (codec.carrier == Carrier::ip) {
      const auto& own = codec.ip_protocols;
      if (std::find(own.begin(), own.end(), protocol) != own.end() && codec.claims(in)) {
        kind = codec.kind;
      }
    }
  };
  std::apply([&](auto... codec) { (ask(codec), ...); }, Kinds{});
  return kind;
}

/// The kind that rides on Ethernet by `ether_type`; none: it is no tunnel.
inline TunnelKind kind_on_ethernet(std::uint16_t ether_type) {
  TunnelKind kind = TunnelKind::none;
  const auto ask = [&](auto codec) {
    if constexpr (codec.carrier == Carrier::ethernet) {
      if (codec.ether_type == ether_type) kind = codec.kind;
    }
  };
  std::apply([&](auto... codec) { (ask(codec), ...); }, Kinds{});
  return kind;
}

/// Where NSH begins in a tunnel header that was read at the start of `in`; 0 for other kinds.
inline std::size_t service_offset(TunnelKind kind, std::span<const std::uint8_t> in) {
  return with_codec(kind, std::size_t{0}, [&](auto codec) {
    if constexpr (requires { codec.service_offset(in); }) return codec.service_offset(in);
    return std::size_t{0};
  });
}

/// Whether packets of `kind` have an outer UDP header.
constexpr bool rides_on_udp(TunnelKind kind) {
  return with_codec(kind, false, [](auto codec) { return codec.carrier == Carrier::udp; });
}

/// IP protocols that packets of `kind` go by; none: there is no such kind.
constexpr std::span<const std::uint8_t> ip_protocols(TunnelKind kind) {
  return with_codec(kind, std::span<const std::uint8_t>{}, []<class Codec>(Codec) {
    return std::span<const std::uint8_t>(Codec::ip_protocols);
  });
}

}  // namespace weft::tunnel
