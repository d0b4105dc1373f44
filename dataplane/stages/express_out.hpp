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

/// Whoever a way is open for that is open for one packet alone.
inline constexpr std::uint32_t nobodys_nexthop_id = NexthopId(NexthopId::max_index + 1, 1).raw();
inline const NexthopEntry nobodys_nexthop;

/// One way out, open for packets in a row. Where there are several to the neighbours, it is open
/// for one packet: the next one is of another flow as a rule.
struct WayOut {
  const NexthopEntry* nexthop = nullptr;  ///< nullptr: it leads nowhere
  /// Whose packets may take it.
  const NexthopEntry* open_to = nullptr;
  std::uint32_t open_to_id = NexthopId{}.raw();
  const AdjacencyEntry* adjacency = nullptr;
  Exits::Departures* queue = nullptr;
  std::uint32_t header_bytes = 0;   ///< a tunnel's, without the Ethernet header in front of it
  std::uint32_t room_bytes = 0;     ///< in front of a packet, to write all of that
  std::uint32_t most_l3_bytes = 0;  ///< 0: nothing can take it
  std::uint64_t packets = 0;        ///< that have taken it and are not counted yet
  std::uint64_t bytes = 0;          ///< as frames on the way out

  /// Closes the way that is open. Whether packets can take the one to `to`; `hash()`: of the first
  /// one's flow.
  template <class Tracer, class Hash>
  [[nodiscard]] bool open(StageContext<Tracer>& ctx, const NexthopEntry* to, Hash&& hash);
  /// Finds adjacency and queue.
  template <class Tracer, class Hash>
  [[nodiscard]] bool leads_out(StageContext<Tracer>& ctx, const NexthopEntry* to, Hash&& hash);
  /// Counts what has taken it, which is something.
  template <class Tracer>
  void close(StageContext<Tracer>& ctx);
};

template <class Tracer, class Hash>
bool WayOut::open(StageContext<Tracer>& ctx, const NexthopEntry* to, Hash&& hash) {
  if (packets != 0) close(ctx);
  open_to = to;
  if (!leads_out(ctx, to, hash)) {
    open_to = nexthop = nullptr;
    open_to_id = NexthopId{}.raw();
    most_l3_bytes = 0;
    return false;
  }
  nexthop = to;
  header_bytes = to->header_bytes;
  room_bytes = static_cast<std::uint32_t>(room_for_lines(*to));
  const unsigned mtu_bytes = to->mtu_by(*adjacency);
  most_l3_bytes = mtu_bytes > header_bytes ? mtu_bytes - header_bytes : 0;
  return true;
}

template <class Tracer, class Hash>
bool WayOut::leads_out(StageContext<Tracer>& ctx, const NexthopEntry* to, Hash&& hash) {
  if (to == nullptr || !to->plain) return false;
  open_to_id = to->id.raw();
  adjacency = ctx.tables.adjacencies.get(to->adjacency);
  if (adjacency == nullptr) return false;
  if (!adjacency->resolved) {
    if (adjacency->buckets == 0) return false;
    adjacency = adjacency->way(ctx.tables.adjacencies, hash());
    if (adjacency == nullptr || !adjacency->resolved) return false;
    open_to = &nobodys_nexthop;
    open_to_id = nobodys_nexthop_id;
  }
  const std::uint32_t port = adjacency->port.index();
  queue = &ctx.exits.tx[port];
  return queue->count != 0 || ctx.tables.ports.get(port) != nullptr;
}

template <class Tracer>
void WayOut::close(StageContext<Tracer>& ctx) {
  ctx.exits.tx_ports |= 1U << adjacency->port.index();
  queue->bytes += bytes;
  if (nexthop->kind == NexthopKind::tunnel) {
    ctx.counters.nexthops[nexthop->id.index()].add(packets,
                                                   bytes - packets * sizeof(wire::Ethernet));
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
        tally_(ctx.flows) {
    for_nobody_.key = Key::none();
  }
  ~ExpressOut() {
    if (way_.packets != 0) way_.close(ctx_);
  }
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
      if (id != way_.open_to_id) [[unlikely]] {
        if (!open(ctx_.tables.nexthops.get(NexthopId::from_raw(id)), p)) return false;
      }
    } else {
      if (p.care != FlowCare::none) return false;
      if (p.nexthop != way_.open_to) [[unlikely]] {
        if (!open(p.nexthop, p)) return false;
      }
    }
    const Packet packet = p.packet;
    std::uint8_t* const l3 = p.l3;
    if (p.l3_bytes > way_.most_l3_bytes || packet.room_before(l3) < way_.room_bytes ||
        expires_here(l3, is_key4<Key>)) [[unlikely]] {
      return false;
    }
    tally_.count_plain(*entry, p);
    lap(ctx_, direction != 0 ? flow_name : resolve_name);
    count_hop(l3, is_key4<Key>);
    lap(ctx_, rewrite_name);
    const std::uint32_t bytes = p.l3_bytes + way_.header_bytes;
    std::uint8_t* const outer = l3 - way_.header_bytes;
    bool v4 = is_key4<Key>;
    if (way_.header_bytes != 0) {
      encap(p, l3, outer, bytes);
      v4 = way_.nexthop->outer_v4;
      lap(ctx_, encap_name);
    }
    std::uint8_t* const l2 = outer - sizeof(wire::Ethernet);
    const std::uint32_t frame_bytes = sizeof(wire::Ethernet) + bytes;
    packet.reshape_whole(l2, frame_bytes);
    way_.adjacency->write_header(l2, v4);
    way_.queue->add(packet);
    ++way_.packets;
    way_.bytes += frame_bytes;
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
  [[gnu::always_inline]] void encap(const ParsedPacket& p, std::uint8_t* l3, std::uint8_t* outer,
                                    std::uint32_t bytes) const {
    const NexthopEntry& tunnel = *way_.nexthop;
    const std::uint64_t hash = open_hash<Key>(ctx_.tables, p, p.vrf->id);
    const wire::IpEthernetTails& router = p.vrf->router;
    copy_lines(tunnel, l3);
    announce_inside(tunnel, outer, l3, router, is_key4<Key>);
    complete_header(tunnel, outer, static_cast<std::uint16_t>(bytes), hash);
    if (tunnel.notable.in(l3, is_key4<Key>)) [[unlikely]]
      propagate_to_outer(tunnel, outer, l3, is_key4<Key>);
  }
  [[nodiscard, gnu::noinline]] bool open(const NexthopEntry* nexthop, const ParsedPacket& p) {
    return way_.open(ctx_, nexthop, [&] { return open_hash<Key>(ctx_.tables, p, p.vrf->id); });
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
