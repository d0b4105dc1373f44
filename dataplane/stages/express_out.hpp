#pragma once
/// express, leaving: the rest of the way for packets that nothing speaks against. Its flow, or else
/// its route, names a next hop that leads out by an adjacency; then what rewrite, encap and output
/// do is done at once. First comes all that is asked, then all that is changed: a packet that is
/// refused here is as it was, and goes the general way, where it is found out why.

#include "stages/encap.hpp"
#include "stages/flow.hpp"
#include "stages/output.hpp"
#include "stages/resolve.hpp"
#include "stages/rewrite.hpp"

namespace weft::stage {

/// One way out for packets of one VRF and family, ready for many: all that a packet gets in front
/// of it, from the Ethernet header on, in one piece that ends where the IP packet begins.
struct WayOut {
  static constexpr std::size_t most_bytes = 128;

  alignas(64) std::uint8_t image[most_bytes];
  const NexthopEntry* nexthop = nullptr;  ///< nullptr: it leads nowhere
  std::uint32_t nexthop_id = NexthopId{}.raw();
  const VrfEntry* vrf = nullptr;
  Exits::List* queue = nullptr;
  std::uint32_t port = 0;
  std::uint32_t copy_bytes = 0;    ///< 16, 64 or 128: of the image's end
  std::uint32_t header_bytes = 0;  ///< of it what is a tunnel's, without the Ethernet header
  std::uint32_t most_l3_bytes = 0;
  std::uint64_t packets = 0;  ///< that have taken it and are not counted yet
  std::uint64_t bytes = 0;    ///< as IP packets on the way out

  /// Whether packets of that family in `from` can take this way to `to`.
  template <bool v4, class Tracer>
  bool open(StageContext<Tracer>& ctx, const NexthopEntry* to, const VrfEntry* from);
  /// Counts what has taken it.
  template <class Tracer>
  void close(StageContext<Tracer>& ctx);
};

template <bool v4, class Tracer>
bool WayOut::open(StageContext<Tracer>& ctx, const NexthopEntry* to, const VrfEntry* from) {
  close(ctx);
  nexthop = nullptr;
  nexthop_id = NexthopId{}.raw();
  if (to == nullptr || !to->plain) return false;
  const AdjacencyEntry* const adjacency = ctx.tables.adjacencies.get(to->adjacency);
  if (adjacency == nullptr || !adjacency->resolved) return false;
  port = adjacency->port.index();
  if (ctx.tables.ports.get(port) == nullptr) return false;
  header_bytes = to->header_bytes;
  const bool tunnel = to->kind == NexthopKind::tunnel;
  std::uint8_t* const l3 = image + most_bytes;
  if (tunnel) {
    std::memcpy(l3 - to->copy_bytes, to->header(), to->copy_bytes);
    if (to->inner_ethernet_offset != 0) from->router.write(l3 - sizeof(wire::EthernetTail), v4);
  }
  adjacency->write_header(l3 - header_bytes - sizeof(wire::Ethernet), tunnel ? to->outer_v4 : v4);
  copy_bytes = !tunnel ? 16 : header_bytes + sizeof(wire::Ethernet) <= 64 ? 64 : most_bytes;
  most_l3_bytes = adjacency->mtu_bytes > header_bytes ? adjacency->mtu_bytes - header_bytes : 0;
  queue = &ctx.exits.tx[port];
  vrf = from;
  nexthop = to;
  nexthop_id = to->id.raw();
  return true;
}

template <class Tracer>
void WayOut::close(StageContext<Tracer>& ctx) {
  if (packets == 0) return;
  ctx.exits.tx_ports |= 1U << port;
  if (nexthop->kind == NexthopKind::tunnel) {
    ctx.counters.nexthops[nexthop->id.index()].add(packets, bytes);
  }
  packets = bytes = 0;
}

/// For packets of one family that one port received.
template <class Key, class Tracer>
class ExpressOut {
 public:
  /// Flows hold by `stamp`.
  ExpressOut(StageContext<Tracer>& ctx, const Ingress& ingress, FlowStamp stamp)
      : ctx_(ctx),
        entries_(&ctx.tables.flows->template of<Key>().entry(0)),
        stamp_(stamp),
        vif_(ingress.vif.raw()),
        tally_(ctx.flows) {}
  ~ExpressOut() { way_.close(ctx_); }
  ExpressOut(const ExpressOut&) = delete;
  ExpressOut& operator=(const ExpressOut&) = delete;

  /// Whether the packet has gone. `direction`: of its flow; 0: it was not found, or not looked for.
  [[nodiscard, gnu::always_inline]] bool sends(const ParsedPacket& p, std::uint32_t direction) {
    if (!p.plain) [[unlikely]]
      return false;
    FlowEntry<Key>* entry = &for_nobody_;
    if (direction != 0) [[likely]] {
      entry = entries_ + direction;
      if (!holds(*entry, p)) [[unlikely]]
        return false;
      const std::uint32_t id = entry->nexthop.get();
      if (id != way_.nexthop_id || p.vrf != way_.vrf) [[unlikely]] {
        if (!open(ctx_.tables.nexthops.get(NexthopId::from_raw(id)), p.vrf)) return false;
      }
    } else {
      if (p.care != FlowCare::none) return false;
      if (p.nexthop != way_.nexthop || p.vrf != way_.vrf) [[unlikely]] {
        if (!open(p.nexthop, p.vrf)) return false;
      }
    }
    const Packet packet = p.packet;
    std::uint8_t* const l3 = p.l3;
    if (p.l3_bytes > way_.most_l3_bytes || packet.room_before(l3) < way_.copy_bytes ||
        expires_here(l3, is_key4<Key>)) [[unlikely]] {
      return false;
    }
    tally_.count_plain(*entry, p);
    lap(ctx_, direction != 0 ? flow_name : resolve_name);
    count_hop(l3, is_key4<Key>);
    lap(ctx_, rewrite_name);
    const std::uint32_t bytes = p.l3_bytes + way_.header_bytes;
    std::uint8_t* const outer = l3 - way_.header_bytes;
    if (way_.copy_bytes == 16) {
      std::memcpy(l3 - 16, way_.image + WayOut::most_bytes - 16, 16);
    } else {
      if (way_.copy_bytes == 128) [[unlikely]]
        std::memcpy(l3 - 128, way_.image, 64);
      std::memcpy(l3 - 64, way_.image + WayOut::most_bytes - 64, 64);
      complete_header(*way_.nexthop, outer, static_cast<std::uint16_t>(bytes),
                      open_hash<Key>(ctx_.tables, p, p.vrf->id));
      lap(ctx_, encap_name);
    }
    packet.reshape_whole(outer - sizeof(wire::Ethernet), sizeof(wire::Ethernet) + bytes);
    way_.queue->add(packet);
    ++way_.packets;
    way_.bytes += bytes;
    lap(ctx_, output_name);
    return true;
  }

 private:
  /// Whether the entry is of the packet's flow, and what it says holds.
  [[nodiscard, gnu::always_inline]] bool holds(const FlowEntry<Key>& entry,
                                               const ParsedPacket& p) const {
    const VrfId vrf = p.vrf->id;
    return entry.key == flow_key<Key>(p, vrf, p.l4_ports) &&
           entry.stamp.load(std::memory_order_acquire) == stamp_ && entry.ingress.get() == vif_ &&
           entry.vrf.get() == vrf.raw() && tally_.is_plain(entry, p);
  }
  [[nodiscard, gnu::noinline]] bool open(const NexthopEntry* nexthop, const VrfEntry* vrf) {
    return way_.template open<is_key4<Key>>(ctx_, nexthop, vrf);
  }

  StageContext<Tracer>& ctx_;
  FlowEntry<Key>* entries_;
  FlowStamp stamp_;
  std::uint32_t vif_;
  FlowTally tally_;
  WayOut way_;
  FlowEntry<Key> for_nobody_;  ///< where packets without a flow count
};

}  // namespace weft::stage
