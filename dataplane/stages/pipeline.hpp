#pragma once
/// The way through the stages, and where bursts may enter it.

#include <rte_cycles.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "stages/stage.hpp"

namespace weft {

/// The stages in their order, and the worker's part after them.
inline constexpr std::array<std::string_view, 9> stage_names{
    "parse", "decap", "flow", "resolve", "admit", "rewrite", "encap", "output", "transmit"};

Ingress ingress_of(const Tables& tables, std::uint32_t port_index);

/// Of a packet that was held and goes through the stages again: where it came from, as far as that
/// is still asked. Held for a glean, it has not been judged yet.
Ingress ingress_of_held(const Tables& tables, const PacketMetadata& held);

[[gnu::always_inline]] inline PacketContext received(const Ingress& ingress, Packet packet) {
  PacketContext p;
  p.packet = packet;
  p.l2 = packet.data();
  p.end = p.l2 + packet.contiguous_bytes();
  p.bytes = packet.total_bytes();
  p.vrf = ingress.vrf;
  p.in = &ingress;
  p.care = ingress.care;
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
  static constexpr bool tells = true;
  std::vector<ExplainStep>* steps = nullptr;
  DropReason reason = DropReason::none;  ///< of the last packet
  PortId way_out{};
  /// `policy`: what one decided, where that is what is noted.
  template <class Text>
  void note(std::string_view stage, const PacketContext& p, Text&& text,
            const std::optional<PolicyDecision>& policy = std::nullopt) {
    reason = p.reason;
    if (p.adjacency != nullptr) way_out = p.adjacency->port;
    steps->push_back({std::string(stage), text(), p.vrf != nullptr ? p.vrf->id : VrfId{},
                      p.nexthop != nullptr ? p.nexthop->id : NexthopId{}, p.decap,
                      p.adjacency != nullptr ? p.adjacency->port : PortId{}, policy});
  }
};

/// What one stage has cost a worker, in the bursts that it measured.
struct StageClock {
  Counter packets;
  Counter cycles;
};
using StageClocks = std::array<StageClock, stage_names.size()>;

/// Measures the stages: reads the TSC where one ends, and again when that is noted.
struct ClockTracer {
  static constexpr bool enabled = false;
  static constexpr bool tells = false;
  StageClocks* clocks = nullptr;
  std::uint64_t since_tsc = 0;

  template <class Text>
  void note(std::string_view, const PacketContext&, Text&&) {}
  void start() { since_tsc = rte_rdtsc(); }
  void lap(std::string_view stage, unsigned packets = 1) {
    const std::uint64_t cycles = rte_rdtsc() - since_tsc;
    const auto at = std::find(stage_names.begin(), stage_names.end(), stage) - stage_names.begin();
    StageClock& clock = (*clocks)[static_cast<std::size_t>(at)];
    clock.packets.add(packets);
    clock.cycles.add(cycles);
    start();
  }
};

/// Tells of each packet that a stage drops, before it is changed for its exit.
struct DropTracer {
  static constexpr bool enabled = false;
  static constexpr bool tells = true;
  void* context = nullptr;
  void (*dropped)(void* context, const PacketContext& p) = nullptr;
  template <class Text>
  void note(std::string_view, const PacketContext& p, Text&&) {
    if (p.reason != DropReason::none) dropped(context, p);
  }
};

extern template void run_received(StageContext<NullTracer>&, Burst&, const Ingress&,
                                  std::span<rte_mbuf* const>);
extern template void run_received(StageContext<RecordTracer>&, Burst&, const Ingress&,
                                  std::span<rte_mbuf* const>);
extern template void run_pipeline(StageContext<NullTracer>&, Burst&, Entry);
extern template void run_pipeline(StageContext<RecordTracer>&, Burst&, Entry);
extern template void run_received(StageContext<ClockTracer>&, Burst&, const Ingress&,
                                  std::span<rte_mbuf* const>);
extern template void run_pipeline(StageContext<ClockTracer>&, Burst&, Entry);
extern template void run_received(StageContext<DropTracer>&, Burst&, const Ingress&,
                                  std::span<rte_mbuf* const>);
extern template void run_pipeline(StageContext<DropTracer>&, Burst&, Entry);

}  // namespace weft
