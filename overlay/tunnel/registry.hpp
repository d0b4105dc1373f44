#pragma once
/// The tunnel kinds there are: the one place that names them all.

#include <tuple>

#include "tunnel/codec.hpp"
#include "tunnel/geneve.hpp"
#include "tunnel/gre.hpp"
#include "tunnel/mpls.hpp"
#include "tunnel/vxlan.hpp"
#include "tunnel/vxlan_gpe.hpp"

namespace weft::tunnel {

using Kinds = std::tuple<Vxlan, VxlanGpe, Geneve, Gre, KeyedGre, MplsOverUdp, MplsOverGre>;

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

/// The same as parse_header() for any kind.
[[gnu::noinline]] inline ParsedHeader parse_any_header(TunnelKind kind,
                                                       std::span<const std::uint8_t> in) {
  return with_codec(kind, ParsedHeader{.reason = DropReason::tunnel_header_invalid},
                    [&](auto codec) { return codec.parse(in); });
}

/// Reads a tunnel header of `kind` at the start of `in`, which reaches to the end of the packet.
/// The first of all kinds costs nobody a call.
[[gnu::always_inline]] inline ParsedHeader parse_header(TunnelKind kind,
                                                        std::span<const std::uint8_t> in) {
  return kind == FirstKind::kind ? FirstKind::parse(in) : parse_any_header(kind, in);
}

/// The kind that rides on IP by `protocol` and claims the bytes behind the IP header; none: it is
/// no tunnel.
inline TunnelKind kind_on_ip(std::uint8_t protocol, std::span<const std::uint8_t> in) {
  TunnelKind kind = TunnelKind::none;
  const auto ask = [&](auto codec) {
    if constexpr (codec.carrier == Carrier::ip) {
      if (codec.ip_protocol == protocol && codec.claims(in)) kind = codec.kind;
    }
  };
  std::apply([&](auto... codec) { (ask(codec), ...); }, Kinds{});
  return kind;
}

/// Whether packets of `kind` have an outer UDP header.
constexpr bool rides_on_udp(TunnelKind kind) {
  return with_codec(kind, false, [](auto codec) { return codec.carrier == Carrier::udp; });
}

/// IP protocol number that packets of `kind` carry.
inline std::uint8_t ip_protocol(TunnelKind kind) {
  return with_codec(kind, std::uint8_t{0}, [](auto codec) { return codec.ip_protocol; });
}

}  // namespace weft::tunnel
