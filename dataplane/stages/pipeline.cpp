#include "stages/pipeline.hpp"

#include <type_traits>
#include <utility>

#include "stages/admit.hpp"
#include "stages/decap.hpp"
#include "stages/encap.hpp"
#include "stages/flow.hpp"
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

/// Tracers that tell of packets take the general way: it costs less code, and a test that compares
/// what they tell with what befalls the same packets without them compares both ways.
template <class Tracer>
constexpr bool by_shape = std::is_same_v<Tracer, NullTracer> || std::is_same_v<Tracer, ClockTracer>;

/// parse → decap for any packet, and again for what is inside a tunnel; decap bounds how often.
/// False: it has left.
template <class Tracer>
[[gnu::noinline]] bool arrive_somehow(StageContext<Tracer>& ctx, PacketContext& p) {
  for (;;) {
    const Next parsed = stage::parse_one<stage::Shape::other>(ctx, p);
    if (!goes_on(ctx, stage::parse_name, p, parsed)) return false;
    const Next next = stage::decap_one(ctx, p);
    if (next != Next::again) return goes_on(ctx, stage::decap_name, p, next);
    lap(ctx, stage::decap_name);
  }
}

template <unsigned depth, class Tracer>
[[gnu::always_inline]] inline void arrive(StageContext<Tracer>& ctx, PacketContext& p,
                                          stage::Shape shape, PacketContext*& arrived);

template <stage::Shape shape, unsigned depth, class Tracer>
[[gnu::always_inline]] inline void arrive_as(StageContext<Tracer>& ctx, PacketContext& p,
                                             PacketContext*& arrived) {
  const Next parsed = stage::parse_one<shape>(ctx, p);
  if (!goes_on(ctx, stage::parse_name, p, parsed)) return;
  const Next next = stage::decap_one(ctx, p);
  if (next == Next::again) {
    lap(ctx, stage::decap_name);
    return arrive<depth + 1>(ctx, p, stage::inner_shape_of(p), arrived);
  }
  if (goes_on(ctx, stage::decap_name, p, next)) *arrived++ = p;
}

/// The same, compiled for each shape of an outer and an inner packet; whatever is deeper takes the
/// general way. What does not leave stands where `arrived` points, which moves on.
template <unsigned depth, class Tracer>
[[gnu::always_inline]] inline void arrive(StageContext<Tracer>& ctx, PacketContext& p,
                                          stage::Shape shape, PacketContext*& arrived) {
  if constexpr (by_shape<Tracer> && depth < 2) {
    constexpr auto ipv4 = depth == 0 ? stage::Shape::ipv4 : stage::Shape::inner_ipv4;
    constexpr auto ipv6 = depth == 0 ? stage::Shape::ipv6 : stage::Shape::inner_ipv6;
    if (shape == ipv4) return arrive_as<ipv4, depth>(ctx, p, arrived);
    if (shape == ipv6) return arrive_as<ipv6, depth>(ctx, p, arrived);
  }
  *arrived = p;
  if (arrive_somehow(ctx, *arrived)) ++arrived;
}

/// rewrite → encap → output.
template <class Tracer>
[[gnu::always_inline]] inline void depart(StageContext<Tracer>& ctx, PacketContext& p) {
  if (goes_on(ctx, stage::rewrite_name, p, stage::rewrite_one(ctx, p)) &&
      (p.nexthop->kind != NexthopKind::tunnel ||
       goes_on(ctx, stage::encap_name, p, stage::encap_one(ctx, p)))) {
    goes_on(ctx, stage::output_name, p, stage::output_one(ctx, p));
  }
}

/// Whether the packet's flow lets it go on.
template <class Tracer>
[[gnu::always_inline]] inline bool admitted(StageContext<Tracer>& ctx, PacketContext& p) {
  return p.care == FlowCare::none || goes_on(ctx, stage::admit_name, p, stage::admit_one(ctx, p));
}

/// resolve → output, whatever next hop the search has found.
template <class Tracer>
[[gnu::noinline]] void route_somehow(StageContext<Tracer>& ctx, PacketContext& p) {
  Next next = stage::resolve_one(ctx, p);
  if (next == Next::deliver) {
    p.originated = true;
    p.care = FlowCare::none;
    next = Next::forward;
  }
  if (goes_on(ctx, stage::resolve_name, p, next) && admitted(ctx, p)) {
    depart(ctx, p);
  }
}

/// The same when the search for the route is over. Next hops that lead out are what most packets
/// find, and compiled apart from the others.
template <class Tracer>
[[gnu::always_inline]] inline void route(StageContext<Tracer>& ctx, PacketContext& p) {
  if (!stage::leads_out(p)) [[unlikely]]
    return route_somehow(ctx, p);
  if (goes_on(ctx, stage::resolve_name, p, stage::resolve_one(ctx, p)) && admitted(ctx, p)) {
    depart(ctx, p);
  }
}

}  // namespace

/// Each part for the whole burst before the next one begins: within a part the packets do not wait
/// for each other, so that a processor overlaps their chains of loads.
template <class Tracer>
void run_received(StageContext<Tracer>& ctx, Burst& burst, const Ingress& ingress,
                  std::span<rte_mbuf* const> packets) {
  if (ingress.host) [[unlikely]] {
    for (rte_mbuf* mbuf : packets) {
      PacketContext& p = burst.packets[burst.count++];
      p = received(ingress, Packet(mbuf));
      p.originated = true;
      p.care = ingress.care;
    }
    return run_pipeline(ctx, burst, Entry::parse);
  }
  const stage::OrdinaryFrames ordinary(ingress);
  PacketContext* arrived = burst.packets.data();
  for (rte_mbuf* mbuf : packets) {
    PacketContext p = received(ingress, Packet(mbuf));
    arrive<0>(ctx, p, ordinary.shape_of(p), arrived);
  }
  const std::span waiting(burst.packets.data(), arrived);
  if (ingress.care != FlowCare::none) [[unlikely]] {
    for (PacketContext& p : waiting) p.care = ingress.care;
  }
  if (ingress.flows) {
    stage::find_flows(ctx, waiting);
    lap(ctx, stage::flow_name, static_cast<unsigned>(waiting.size()));
  } else {
    stage::begin_search(ctx);
  }
  stage::search(ctx.tables, waiting);
  for (PacketContext& p : waiting) route(ctx, p);
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
        route_somehow(ctx, p);
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
