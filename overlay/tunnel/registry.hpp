#pragma once
/// The tunnel kinds there are: the one place that names them all.

#include <tuple>

#include "tunnel/codec.hpp"
#include "tunnel/vxlan.hpp"

namespace weft::tunnel {

using Kinds = std::tuple<Vxlan>;

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

/// Reads a tunnel header of `kind` at the start of `in`, which reaches to the end of the packet.
[[gnu::always_inline]] inline ParsedHeader parse_header(TunnelKind kind,
                                                        std::span<const std::uint8_t> in) {
  return with_codec(kind, ParsedHeader{.reason = DropReason::tunnel_header_invalid},
                    [&](auto codec) { return codec.parse(in); });
}

/// IP protocol number that packets of `kind` carry.
inline std::uint8_t ip_protocol(TunnelKind kind) {
  return with_codec(kind, std::uint8_t{0}, [](auto codec) { return codec.ip_protocol; });
}

}  // namespace weft::tunnel
