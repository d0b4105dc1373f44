#pragma once
/// The way through the stages, and where bursts may enter it.

#include <span>

#include "stages/stage.hpp"

namespace weft {

Ingress ingress_of(const Tables& tables, std::uint32_t port_index);

[[gnu::always_inline]] inline PacketContext received(const Ingress& ingress, Packet packet) {
  PacketContext p;
  p.packet = packet;
  p.l2 = packet.data();
  p.end = p.l2 + packet.contiguous_bytes();
  p.bytes = packet.total_bytes();
  p.vrf = ingress.vrf;
  p.in = &ingress;
  return p;
}

/// Takes frames that a port received through all stages: afterwards each is in exactly one list of
/// ctx.exits. `burst` is room to work in; at most max_burst packets.
template <class Tracer>
void run_received(StageContext<Tracer>& ctx, Burst& burst, const Ingress& ingress,
                  std::span<rte_mbuf* const> packets);

/// Where the burst of another source enters: the first stage that its packets need.
enum class Entry : std::uint8_t {
  parse,   ///< IP packets (no l2) of the router's own or that waited for a glean
  encap,   ///< frames of the router's own into a tunnel
  output,  ///< packets that waited for their neighbour
};

/// The same for the packets of `burst`, which is empty afterwards.
template <class Tracer>
void run_pipeline(StageContext<Tracer>& ctx, Burst& burst, Entry entry);

/// What `leave` and the stages noted, for explain and trace.
struct RecordTracer {
  static constexpr bool enabled = true;
  std::vector<ExplainStep>* steps = nullptr;
  template <class Text>
  void note(std::string_view stage, const PacketContext& p, Text&& text) {
    steps->push_back({std::string(stage), text(), p.vrf != nullptr ? p.vrf->id : VrfId{},
                      p.nexthop != nullptr ? p.nexthop->id : NexthopId{}, p.decap,
                      p.adjacency != nullptr ? p.adjacency->port : PortId{}});
  }
};

extern template void run_received(StageContext<NullTracer>&, Burst&, const Ingress&,
                                  std::span<rte_mbuf* const>);
extern template void run_received(StageContext<RecordTracer>&, Burst&, const Ingress&,
                                  std::span<rte_mbuf* const>);
extern template void run_pipeline(StageContext<NullTracer>&, Burst&, Entry);
extern template void run_pipeline(StageContext<RecordTracer>&, Burst&, Entry);

}  // namespace weft
