#pragma once
/// clamp: what opens a TCP connection tells how large segments may come (RFC 9293 §3.7.1). Where
/// the tunnel or VIF at either end of its way asks for it, it tells no more than fits the way.

#include <algorithm>
#include <optional>

#include "stages/parse.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

/// A way that packets of a connection take: what fits it, and what its end asks for.
struct SegmentWay {
  unsigned mtu_bytes = 0xffff;  ///< of an IP packet
  MssClamp clamp;
};

inline SegmentWay way_to_port(const Tables& tables, const PortEntry* port, unsigned mtu_bytes) {
  const VifEntry* vif =
      port != nullptr && port->port.vif.valid() ? tables.vifs.get(port->port.vif) : nullptr;
  return {mtu_bytes, vif != nullptr ? vif->mss_clamp : MssClamp{}};
}

/// The way out by a next hop that has an adjacency.
inline SegmentWay way_out(const Tables& tables, const NexthopEntry& nexthop) {
  const AdjacencyEntry* adjacency = tables.adjacencies.get(nexthop.adjacency);
  if (adjacency == nullptr) return {};
  if (nexthop.kind == NexthopKind::interface) {
    return way_to_port(tables, tables.ports.get(adjacency->port), adjacency->mtu_bytes);
  }
  const unsigned mtu_bytes = nexthop.mtu_by(*adjacency);
  return {mtu_bytes - std::min<unsigned>(mtu_bytes, nexthop.header_bytes), nexthop.mss_clamp};
}

/// The lowest MSS that the ways ask for; nothing: they ask for none.
class SegmentLimit {
 public:
  void add(const SegmentWay& way) {
    mtu_bytes_ = std::min(mtu_bytes_, way.mtu_bytes);
    automatic_ |= way.clamp.mode == MssClamp::Mode::automatic;
    if (way.clamp.mode == MssClamp::Mode::fixed) most_ = std::min(most_, unsigned{way.clamp.bytes});
  }
  /// `header_bytes`: of IP and TCP without options.
  [[nodiscard]] std::optional<std::uint16_t> mss(unsigned header_bytes) const {
    unsigned most = most_;
    if (automatic_ && mtu_bytes_ > header_bytes) most = std::min(most, mtu_bytes_ - header_bytes);
    if (most == none) return std::nullopt;
    return static_cast<std::uint16_t>(most);
  }

 private:
  static constexpr unsigned none = 0x10000;
  unsigned mtu_bytes_ = none;
  unsigned most_ = none;
  bool automatic_ = false;
};

/// The same for where answers go: back to the VIF that it came from, else as the route to its
/// source says, by all members of one that has several.
inline void add_way_back(const Tables& tables, const PacketContext& p, SegmentLimit& limit) {
  if (p.tunnels == 0 && p.in->vif.valid()) {
    const PortEntry* port = tables.ports.get(p.in->port);
    if (port != nullptr) limit.add(way_to_port(tables, port, port->port.mtu_bytes));
    return;
  }
  const VrfEntry& vrf = p.home != nullptr ? *p.home : *p.vrf;
  const std::uint32_t found =
      p.v4 ? vrf.fib4->lookup(fib::key_of(Ipv4Address{header_at<wire::Ipv4>(p.l3).source.get()}))
           : vrf.fib6->lookup(fib::key_of(header_at<wire::Ipv6>(p.l3).source));
  const NexthopEntry* nexthop = tables.nexthops.get(found);
  if (nexthop == nullptr) return;
  if (has_adjacency(nexthop->kind)) limit.add(way_out(tables, *nexthop));
  if (nexthop->kind != NexthopKind::ecmp) return;
  for (const NexthopId id : nexthop->all_members()) {
    const NexthopEntry* member = tables.nexthops.get(id);
    if (member != nullptr && has_adjacency(member->kind)) limit.add(way_out(tables, *member));
  }
}

/// Lowers the MSS option of the TCP header at `l4`, of which `readable` bytes are there, to `most`.
/// Answers what it was, where it was more.
inline std::optional<std::uint16_t> lower_mss(std::uint8_t* l4, std::size_t readable,
                                              std::uint16_t most) {
  auto& tcp = header_at<wire::Tcp>(l4);
  const std::size_t header = tcp.header_bytes();
  if (header < sizeof tcp || header > readable) return std::nullopt;
  const std::size_t at = wire::find_mss({l4 + sizeof tcp, header - sizeof tcp});
  if (at == 0) return std::nullopt;
  auto& value = header_at<be16>(l4 + sizeof tcp + at);
  const be16 before = value;
  if (before.get() <= most) return std::nullopt;
  value = most;
  tcp.checksum = wire::checksum_update(tcp.checksum, before, value, at % 2 != 0);
  return before.get();
}

/// Whether it opens a TCP connection, as far as can be read.
[[gnu::always_inline]] inline bool opens_connection(const PacketContext& p) {
  return p.protocol == static_cast<std::uint8_t>(wire::IpProtocol::tcp) && !p.fragment &&
         readable_l4(p) >= sizeof(wire::Tcp) &&
         (header_at<wire::Tcp>(p.l3 + p.l4_offset).flags & wire::tcp_flag::syn) != 0;
}

/// Of a packet that opens a connection and leaves by `p.nexthop`.
template <class Tracer>
[[gnu::noinline]] void clamp_mss(StageContext<Tracer>& ctx, PacketContext& p,
                                 std::string_view stage) {
  SegmentLimit limit;
  limit.add(way_out(ctx.tables, *p.nexthop));
  add_way_back(ctx.tables, p, limit);
  const std::size_t ip_bytes = p.v4 ? sizeof(wire::Ipv4) : sizeof(wire::Ipv6);
  const auto most = limit.mss(static_cast<unsigned>(ip_bytes + sizeof(wire::Tcp)));
  if (!most) return;
  const auto before = lower_mss(p.l3 + p.l4_offset, readable_l4(p), *most);
  if (!before) return;
  ctx.counters.count(SizeEvent::mss_lowered);
  if constexpr (Tracer::enabled)
    ctx.tracer.note(stage, p, [&] {
      return "MSS " + std::to_string(*before) + " lowered to " + std::to_string(*most);
    });
}

}  // namespace weft::stage
