#include "stages/pipeline.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "stages/admit.hpp"
#include "stages/decap.hpp"
#include "stages/encap.hpp"
#include "stages/express_in.hpp"
#include "stages/express_out.hpp"
#include "stages/flow.hpp"
#include "stages/fragment.hpp"
#include "stages/output.hpp"
#include "stages/parse.hpp"
#include "stages/resolve.hpp"
#include "stages/rewrite.hpp"

namespace weft {

namespace {

/// What is to be done about the flow of a packet that nobody has looked at yet: wherever it came
/// from, it may be led to a VIF with a policy.
FlowCare first_care(const Tables& tables) {
  return tables.judges.load(std::memory_order_relaxed) ? FlowCare::unsearched : FlowCare::none;
}

}  // namespace

Ingress ingress_of(const Tables& tables, std::uint32_t port_index) {
  Ingress in;
  const PortEntry* port = tables.ports.get(port_index);
  if (port == nullptr) return in;
  in.care = first_care(tables);
  in.port = port->id;
  in.mac = &port->port.mac;
  in.check_finished = port->port.may_leave_checksums;
  if (!port->port.vif.valid()) {
    in.vrf = tables.vrfs.get(underlay_vrf);
    in.flows = tables.keeps_flows.load(std::memory_order_relaxed);
    return in;
  }
  const VifEntry* vif = tables.vifs.get(port->port.vif);
  if (vif == nullptr) return in;
  in.vif = vif->id;
  in.host = vif->host;
  in.guard = vif->anti_spoofing ? vif : nullptr;
  in.vrf = tables.vrfs.get(vif->vrf);
  if (in.vrf != nullptr) {
    in.mac = &in.vrf->router_mac();
    in.flows = in.vrf->flows;
  }
  return in;
}

Ingress ingress_of_held(const Tables& tables, const PacketMetadata& held) {
  Ingress in;
  in.port = held.port;
  in.vif = held.vif;
  if (held.port.valid()) in.care = first_care(tables);  // else it is the router's own
  return in;
}

namespace {

/// Whether packets may go the short way. Where a tracer tells of them they go the general way: a
/// test that compares what it tells with what befalls the same packets without it compares both.
template <class Tracer>
constexpr bool has_express = !Tracer::tells;

/// encap → output. What is too large only now, in its tunnel, leaves in pieces.
template <stage::Inside inside = stage::Inside::packet, class Tracer>
[[gnu::always_inline]] inline void send_on(StageContext<Tracer>& ctx, PacketContext& p) {
  if (p.nexthop->kind == NexthopKind::tunnel) {
    if (!goes_on(ctx, stage::encap_name, p, stage::encap_one<inside>(ctx, p))) return;
    if (p.l3_bytes > p.nexthop->mtu_by(*p.adjacency)) [[unlikely]] {
      return stage::cut_outer(ctx, p, [&ctx](PacketContext& piece) {
        goes_on(ctx, stage::output_name, piece, stage::output_one(ctx, piece));
      });
    }
  }
  goes_on(ctx, stage::output_name, p, stage::output_one(ctx, p));
}

/// An NSH packet on by the tunnel to its next hop: encap → output.
template <class Tracer>
[[gnu::noinline]] void relay(StageContext<Tracer>& ctx, PacketContext& p) {
  if (goes_on(ctx, stage::relay_name, p, stage::relay_one(ctx, p)))
    send_on<stage::Inside::service>(ctx, p);
}

/// parse → decap for any packet, and again for what is inside a tunnel; decap bounds how often.
/// False: it has left.
template <class Tracer>
[[gnu::noinline]] bool arrive_somehow(StageContext<Tracer>& ctx, PacketContext& p) {
  for (;;) {
    const Next parsed = stage::parse_one(ctx, p);
    if (!goes_on(ctx, stage::parse_name, p, parsed)) return false;
    const std::uint16_t outer_bytes = p.l3_bytes;
    const Next next = stage::decap_one(ctx, p);
    if (next == Next::whole) [[unlikely]]
      continue;
    if (next != Next::again && next != Next::relay) return goes_on(ctx, stage::decap_name, p, next);
    stage::count_decap(ctx, p, outer_bytes);
    lap(ctx, stage::decap_name);
    if (next == Next::relay) [[unlikely]] {
      relay(ctx, p);
      return false;
    }
  }
}

/// parse → decap, and the search for flows, for the frames that a port received. Packets of one
/// family are taken as long as they come in a row, so that each loop is for one alone.
template <bool tunnels, class Tracer>
class Arrival {
 public:
  Arrival(StageContext<Tracer>& ctx, const Ingress& ingress, std::span<rte_mbuf* const> packets,
          Burst& burst)
      : ctx_(ctx),
        in_(ingress),
        flows_(ctx.tables, ingress),
        next_(packets.data()),
        end_(next_ + packets.size()),
        burst_(burst) {}

  void run() {
    while (next_ != end_) {
      if constexpr (has_express<Tracer>) {
        rte_mbuf* const* const before = next_;
        take_plain<FlowKey4>();
        if (next_ == end_) break;
        take_plain<FlowKey6>();
        if (next_ != before) continue;
      }
      take_any();
    }
  }
  /// So many have arrived.
  [[nodiscard]] unsigned count() const { return count_; }
  /// Whether each has a direction in the flow table.
  [[nodiscard]] bool all_known() const { return all_known_; }

 private:
  template <class Key>
  using Other = std::conditional_t<stage::is_key4<Key>, FlowKey6, FlowKey4>;

  template <class Key>
  [[gnu::noinline]] void take_plain() {
    stage::ExpressIn<Key, tunnels, Tracer> express(ctx_, in_, flows_);
    rte_mbuf* const* next = next_;
    rte_mbuf* const* const end = end_;
    ParsedPacket* p = &burst_.parsed[count_];
    while (next != end && express.takes(Packet(*next), *p)) {
      ++next;
      ++p;
    }
    next_ = next;
    search<Key>(p);
  }

  [[gnu::noinline]] void take_any() {
    PacketContext p = received(in_, Packet(*next_++));
    if (!arrive_somehow(ctx_, p)) return;
    p.v4 ? add<FlowKey4>(p) : add<FlowKey6>(p);
  }
  template <class Key>
  void add(ParsedPacket& p) {
    flows_.template begin<Key>(p);
    burst_.parsed[count_] = p;
    search<Key>(burst_.parsed.data() + count_ + 1);
  }

  /// For the flows of the packets that have just arrived, up to `end`; of one family, `Key`'s, but
  /// for what tunnels brought.
  template <class Key>
  [[gnu::always_inline]] void search(const ParsedPacket* end) {
    const ParsedPacket* p = &burst_.parsed[count_];
    std::uint32_t* direction = &burst_.directions[count_];
    count_ += static_cast<unsigned>(end - p);
    if (!flows_.wanted()) {
      std::fill(direction, direction + (end - p), 0);
      all_known_ = false;
      return;
    }
    for (; p != end; ++p, ++direction) {
      *direction = 0;
      if (p->hash != 0) [[likely]] {
        *direction = !tunnels || p->v4 == stage::is_key4<Key>
                         ? flows_.template candidate<Key>(p->hash)
                         : flows_.template candidate<Other<Key>>(p->hash);
      }
      if (*direction == 0) [[unlikely]]
        all_known_ = false;
    }
  }

  StageContext<Tracer>& ctx_;
  const Ingress& in_;
  stage::FlowSearch flows_;
  rte_mbuf* const* next_;
  rte_mbuf* const* end_;
  Burst& burst_;
  unsigned count_ = 0;
  bool all_known_ = true;
};

/// Answers how many packets have arrived.
template <bool tunnels, class Tracer>
unsigned arrive(StageContext<Tracer>& ctx, const Ingress& ingress,
                std::span<rte_mbuf* const> packets, Burst& burst) {
  Arrival<tunnels, Tracer> arrival(ctx, ingress, packets, burst);
  arrival.run();
  if (!arrival.all_known()) stage::search(ctx.tables, burst, arrival.count());
  return arrival.count();
}

/// rewrite → output.
template <class Tracer>
[[gnu::always_inline]] inline void depart(StageContext<Tracer>& ctx, PacketContext& p) {
  const Next next = stage::rewrite_one(ctx, p);
  if (next == Next::cut) [[unlikely]] {
    return stage::cut_inner(ctx, p, [&ctx](PacketContext& piece) { send_on(ctx, piece); });
  }
  if (goes_on(ctx, stage::rewrite_name, p, next)) send_on(ctx, p);
}

/// Whether the packet's flow lets it go on.
template <class Tracer>
[[gnu::always_inline]] inline bool admitted(StageContext<Tracer>& ctx, PacketContext& p) {
  return p.care == FlowCare::none || goes_on(ctx, stage::admit_name, p, stage::admit_one(ctx, p));
}

/// resolve → output, whatever next hop the search has found.
template <class Tracer>
void route(StageContext<Tracer>& ctx, PacketContext& p) {
  Next next = stage::resolve_one(ctx, p);
  if (next == Next::deliver) {
    p.originated = true;
    p.care = FlowCare::none;
    next = Next::forward;
  }
  if (goes_on(ctx, stage::resolve_name, p, next) && admitted(ctx, p)) depart(ctx, p);
}

/// flow → output for any packet, as far as the searches have got with its burst.
template <class Tracer>
[[gnu::noinline]] void forward_somehow(StageContext<Tracer>& ctx, const Ingress& ingress,
                                       FlowStamp stamp, const ParsedPacket& parsed,
                                       std::uint32_t direction) {
  PacketContext p(parsed, ingress);
  stage::find_flow(ctx, stamp, direction, p);
  lap(ctx, stage::flow_name);
  stage::search(ctx.tables, p);
  route(ctx, p);
}

/// Sends packets that have arrived, from the one in place `i` on, until one is of the other family;
/// answers where that is. They go the short way where nothing speaks against it.
template <class Key, class Tracer>
[[gnu::noinline]] unsigned forward(StageContext<Tracer>& ctx, const Ingress& ingress,
                                   FlowStamp stamp, const Burst& burst, unsigned count,
                                   unsigned i) {
  stage::ExpressOut<Key, Tracer> express(ctx, ingress, stamp);
  for (; i < count && burst.parsed[i].v4 == stage::is_key4<Key>; ++i) {
    if (has_express<Tracer> && express.sends(burst.parsed[i], burst.directions[i])) [[likely]]
      continue;
    forward_somehow(ctx, ingress, stamp, burst.parsed[i], burst.directions[i]);
  }
  return i;
}

}  // namespace

/// Each part for the whole burst before the next one begins: within a part the packets do not wait
/// for each other, so that a processor overlaps their chains of loads.
template <class Tracer>
void run_received(StageContext<Tracer>& ctx, Burst& burst, const Ingress& ingress,
                  std::span<rte_mbuf* const> packets) {
  if (ingress.refused != DropReason::none) [[unlikely]] {
    for (rte_mbuf* mbuf : packets) {
      PacketContext p = received(ingress, Packet(mbuf));
      const Next next = drop(p, ingress.refused);
      leave(ctx, describe(ingress.refused).stage, std::move(p), next);
    }
    return;
  }
  if (ingress.host) [[unlikely]] {
    for (rte_mbuf* mbuf : packets) {
      PacketContext& p = burst.packets[burst.count++];
      p = received(ingress, Packet(mbuf));
      p.originated = true;
    }
    return run_pipeline(ctx, burst, Entry::parse);
  }
  const FlowStamp stamp = stage::begin_search(ctx);
  // Tunnels end in the underlay only.
  const unsigned count = ingress.vrf->id == underlay_vrf
                             ? arrive<true>(ctx, ingress, packets, burst)
                             : arrive<false>(ctx, ingress, packets, burst);
  for (unsigned i = 0; i < count;) {
    i = burst.parsed[i].v4 ? forward<FlowKey4>(ctx, ingress, stamp, burst, count, i)
                           : forward<FlowKey6>(ctx, ingress, stamp, burst, count, i);
  }
}

template <class Tracer>
void run_pipeline(StageContext<Tracer>& ctx, Burst& burst, Entry entry) {
  const unsigned count = std::exchange(burst.count, 0);
  stage::begin_search(ctx);
  for (PacketContext& p : std::span(burst.packets.data(), count)) {
    if (entry == Entry::parse) {
      const bool roomy =
          p.l2 != nullptr || goes_on(ctx, stage::output_name, p, stage::has_headroom(p));
      if (roomy && arrive_somehow(ctx, p)) {
        stage::search(ctx.tables, p);
        route(ctx, p);
      }
      continue;
    }
    const bool ready =
        entry == Entry::output ||
        goes_on(ctx, stage::encap_name, p, stage::encap_one<stage::Inside::frame>(ctx, p));
    if (ready && goes_on(ctx, stage::output_name, p, stage::has_headroom(p)) &&
        goes_on(ctx, stage::output_name, p, stage::fits_port(p))) {
      goes_on(ctx, stage::output_name, p, stage::output_one(ctx, p));
    }
  }
}

template void run_received(StageContext<NullTracer>&, Burst&, const Ingress&,
                           std::span<rte_mbuf* const>);
template void run_received(StageContext<RecordTracer>&, Burst&, const Ingress&,
                           std::span<rte_mbuf* const>);
template void run_received(StageContext<ClockTracer>&, Burst&, const Ingress&,
                           std::span<rte_mbuf* const>);
template void run_received(StageContext<DropTracer>&, Burst&, const Ingress&,
                           std::span<rte_mbuf* const>);
template void run_pipeline(StageContext<NullTracer>&, Burst&, Entry);
template void run_pipeline(StageContext<RecordTracer>&, Burst&, Entry);
template void run_pipeline(StageContext<ClockTracer>&, Burst&, Entry);
template void run_pipeline(StageContext<DropTracer>&, Burst&, Entry);

}  // namespace weft
