#pragma once
/// The pipeline as far as some stage, so that a bench can say what each stage adds.

#include "stages/decap.hpp"
#include "stages/encap.hpp"
#include "stages/output.hpp"
#include "stages/parse.hpp"
#include "stages/resolve.hpp"
#include "stages/rewrite.hpp"

namespace weft::bench {

using Context = StageContext<NullTracer>;

inline constexpr const char* work_names[] = {"vxlan encap", "vxlan decap", "route"};
/// A decapsulated packet is parsed again: that is part of decap here.
inline constexpr const char* stage_names[] = {"restore", "parse", "decap", "resolve",
                                              "rewrite", "encap", "output"};
inline constexpr int stage_count = std::size(stage_names);

/// Forgets the packets that left by ports.
inline void empty(Exits& exits) {
  for (std::uint32_t ports = exits.tx_ports; ports != 0; ports &= ports - 1) {
    Exits::Departures& queue = exits.tx[__builtin_ctz(ports)];
    queue.count = 0;
    queue.bytes = 0;
  }
  exits.tx_ports = 0;
}

/// `last`: an index of stage_names.
inline void run_up_to(Context& ctx, const Ingress& ingress, std::span<rte_mbuf* const> packets,
                      int last) {
  for (rte_mbuf* mbuf : packets) {
    if (last < 1) continue;
    PacketContext p = received(ingress, Packet(mbuf));
    Next next = stage::parse_one(ctx, p);
    if (last < 2) continue;
    while ((next = stage::decap_one(ctx, p)) == Next::again) {
      stage::parse_one(ctx, p);
    }
    if (last < 3 || next != Next::forward) continue;
    stage::search(ctx.tables, p);
    next = stage::resolve_one(ctx, p);
    if (last < 4 || next != Next::forward) continue;
    next = stage::rewrite_one(ctx, p);
    if (last < 5 || next != Next::forward) continue;
    if (p.nexthop->kind == NexthopKind::tunnel) next = stage::encap_one(ctx, p);
    if (last < 6 || next != Next::forward) continue;
    stage::output_one(ctx, p);
  }
}

}  // namespace weft::bench
