#pragma once
/// Of an adjacency that has several neighbours, the one for a packet's flow.

#include "stages/entropy.hpp"
#include "stages/stage.hpp"

namespace weft::stage {

/// From such an adjacency on to one of a neighbour.
template <class Tracer>
[[gnu::noinline]] Next choose_way(StageContext<Tracer>& ctx, std::string_view stage,
                                  PacketContext& p) {
  const Tables& tables = ctx.tables;
  const AdjacencyEntry& ways = *p.adjacency;
  p.hash = open_hash(tables, p);  // encap asks for it once more
  p.adjacency = ways.way(tables.adjacencies, p.hash);
  if (p.adjacency == nullptr) return drop(p, DropReason::nexthop_missing);
  if constexpr (Tracer::enabled)
    ctx.tracer.note(stage, p, [&] {
      return "bucket " + std::to_string(ways.bucket_of(p.hash)) + " of " +
             std::to_string(ways.buckets) + " leads to neighbour " +
             to_string(p.adjacency->neighbour);
    });
  return Next::forward;
}

/// The same for a packet whose adjacency may well be of one neighbour already.
template <class Tracer>
[[gnu::always_inline]] inline Next to_neighbour(StageContext<Tracer>& ctx, std::string_view stage,
                                                PacketContext& p) {
  if (p.adjacency->buckets == 0) [[likely]]
    return Next::forward;
  PacketContext again = p;
  const Next next = choose_way(ctx, stage, again);
  p = again;
  return next;
}

}  // namespace weft::stage
