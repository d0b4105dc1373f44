#include "stages/pipeline.hpp"

#include <type_traits>
#include <utility>

#include "stages/decap.hpp"
#include "stages/encap.hpp"
#include "stages/output.hpp"
#include "stages/parse.hpp"
#include "stages/resolve.hpp"
#include "stages/rewrite.hpp"

namespace weft {

Ingress ingress_of(const Tables& tables, std::uint32_t port_index) {
  Ingress in;
  const PortEntry* port = tables.ports.get(port_index);
  if (port == nullptr) return in;
  in.port = port->id;
  in.mac = &port->port.mac;
  in.check_finished = port->port.may_leave_checksums;
  if (!port->port.vif.valid()) {
    in.vrf = tables.vrfs.get(underlay_vrf);
    return in;
  }
  const VifEntry* vif = tables.vifs.get(port->port.vif);
  if (vif == nullptr) return in;
  in.vif = vif->id;
  in.host = vif->host;
  in.guard = vif->anti_spoofing ? vif : nullptr;
  in.vrf = tables.vrfs.get(vif->vrf);
  if (in.vrf != nullptr) in.mac = &in.vrf->router_mac;
  return in;
}

namespace {

/// Tracers that tell of packets take the general way: it costs less code, and a test that compares
/// what they tell with what befalls the same packets without them compares both ways.
template <class Tracer>
constexpr bool by_shape = std::is_same_v<Tracer, NullTracer> || std::is_same_v<Tracer, ClockTracer>;

/// parse → decap, and again for what is inside a tunnel; then `then(p)`. Compiled for each shape of
/// an outer and an inner packet; whatever is deeper takes the general way.
template <unsigned depth = 0, class Tracer, class Then>
[[gnu::always_inline]] inline void arrive(StageContext<Tracer>& ctx, PacketContext& p, Then&& then);

template <stage::Shape shape, unsigned depth, class Tracer, class Then>
[[gnu::always_inline]] inline void arrive_as(StageContext<Tracer>& ctx, PacketContext& p,
                                             Then&& then) {
  const Next parsed = stage::parse_one<shape>(ctx, p);
  if (!goes_on(ctx, stage::parse_name, p, parsed)) return;
  const Next next = stage::decap_one(ctx, p);
  if (next == Next::again) {
    lap(ctx, stage::decap_name);
    return arrive<depth + 1>(ctx, p, then);
  }
  if (goes_on(ctx, stage::decap_name, p, next)) then(p);
}

/// As arrive() for any packet; decap bounds how often it goes round.
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

template <unsigned depth, class Tracer, class Then>
[[gnu::always_inline]] inline void arrive(StageContext<Tracer>& ctx, PacketContext& p,
                                          Then&& then) {
  if constexpr (by_shape<Tracer> && depth < 2) {
    switch (stage::shape_of(p)) {
      case stage::Shape::ipv4:
        return arrive_as<stage::Shape::ipv4, depth>(ctx, p, then);
      case stage::Shape::ipv6:
        return arrive_as<stage::Shape::ipv6, depth>(ctx, p, then);
      case stage::Shape::other:
        break;
    }
  }
  PacketContext any = p;
  if (arrive_somehow(ctx, any)) then(any);
}

/// encap → output.
template <class Tracer>
[[gnu::always_inline]] inline void depart(StageContext<Tracer>& ctx, PacketContext& p) {
  if (p.nexthop != nullptr && p.nexthop->kind == NexthopKind::tunnel &&
      !goes_on(ctx, stage::encap_name, p, stage::encap_one(ctx, p))) {
    return;
  }
  goes_on(ctx, stage::output_name, p, stage::output_one(ctx, p));
}

/// rewrite → output of a packet for this host. Apart from route(), so that there it stays known of
/// received packets that they are not `originated`.
template <class Tracer>
[[gnu::noinline]] void deliver(StageContext<Tracer>& ctx, PacketContext p) {
  lap(ctx, stage::resolve_name);
  p.originated = true;
  if (goes_on(ctx, stage::rewrite_name, p, stage::rewrite_one(ctx, p))) depart(ctx, p);
}

/// resolve → rewrite → encap → output, when the search for the route is over.
template <class Tracer>
[[gnu::always_inline]] inline void route(StageContext<Tracer>& ctx, PacketContext& p) {
  const Next resolved = stage::resolve_one(ctx, p);
  if (resolved == Next::deliver) [[unlikely]]
    return deliver(ctx, PacketContext(p));
  if (goes_on(ctx, stage::resolve_name, p, resolved) &&
      goes_on(ctx, stage::rewrite_name, p, stage::rewrite_one(ctx, p))) {
    depart(ctx, p);
  }
}

/// Tables are near: each packet passes all stages before the next one begins. `packet(i)` answers
/// what is known of packet i; it stays in registers.
template <class Tracer, class Source>
void one_by_one(StageContext<Tracer>& ctx, unsigned count, Source&& packet) {
  for (unsigned i = 0; i < count; ++i) {
    PacketContext p = packet(i);
    arrive(
        ctx, p, [&](PacketContext & arrived) __attribute__((always_inline)) {
          stage::search(ctx.tables, arrived);
          route(ctx, arrived);
        });
  }
}

/// Tables are far: the packets of a burst wait together for memory.
template <class Tracer, class Source>
void together(StageContext<Tracer>& ctx, Burst& burst, unsigned count, Source&& packet) {
  unsigned arrived = 0;
  for (unsigned i = 0; i < count; ++i) {
    PacketContext p = packet(i);
    arrive(
        ctx, p, [&](PacketContext & one) __attribute__((always_inline)) {
          stage::begin_search(one);
          burst.packets[arrived++] = one;
        });
  }
  stage::search(ctx.tables, {burst.packets.data(), arrived});
  for (unsigned i = 0; i < arrived; ++i) route(ctx, burst.packets[i]);
}

template <class Tracer, class Source>
void run(StageContext<Tracer>& ctx, Burst& burst, unsigned count, Source&& packet) {
  if (ctx.tables.far.load(std::memory_order_relaxed)) {
    together(ctx, burst, count, packet);
  } else {
    one_by_one(ctx, count, packet);
  }
}

}  // namespace

template <class Tracer>
void run_received(StageContext<Tracer>& ctx, Burst& burst, const Ingress& ingress,
                  std::span<rte_mbuf* const> packets) {
  if (ingress.host) [[unlikely]] {
    for (rte_mbuf* mbuf : packets) {
      PacketContext& p = burst.packets[burst.count++];
      p = received(ingress, Packet(mbuf));
      p.originated = true;
    }
    return run_pipeline(ctx, burst, Entry::parse);
  }
  run(
      ctx, burst,
      static_cast<unsigned>(packets.size()), [&](unsigned i) __attribute__((always_inline)) {
        return received(ingress, Packet(packets[i]));
      });
}

template <class Tracer>
void run_pipeline(StageContext<Tracer>& ctx, Burst& burst, Entry entry) {
  const unsigned count = std::exchange(burst.count, 0);
  if (entry == Entry::parse) {
    run(
        ctx, burst,
        count, [&](unsigned i) __attribute__((always_inline)) { return burst.packets[i]; });
  } else {
    for (unsigned i = 0; i < count; ++i) depart(ctx, burst.packets[i]);
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
