#pragma once
/// The way through the stages, and where bursts may enter it.

#include <rte_cycles.h>

#include <array>

#include "stages/stage.hpp"

namespace weft {

/// The stages in their order, and the worker's part after them.
enum class Stage : std::uint8_t { parse, decap, flow, resolve, rewrite, encap, output, transmit };
inline constexpr std::array<std::string_view, 8> stage_names{
    "parse", "decap", "flow", "resolve", "rewrite", "encap", "output", "transmit"};

/// Where a burst enters: a source names the first stage that it needs.
enum class Entry : std::uint8_t {
  parse,  ///< frames from a port; IP packets (no l2) of the router's own or that waited for a glean
  encap,  ///< frames of the router's own into a tunnel
  output,  ///< packets that waited for their neighbour
};

/// Fills in what all packets of one port share. `port` must be attached.
struct Ingress {
  const VrfEntry* vrf = nullptr;
  const MacAddress* mac = nullptr;
  const VifEntry* vif = nullptr;
  PortId port;
  bool check_finished = false;

  /// Empty vrf: the port or its VRF is being deleted.
  static Ingress of(const Tables& tables, std::uint32_t port_index);
  void fill(PacketContext& p) const;
};

/// Takes `burst` from `entry` to the exits. Afterwards burst.count is 0 and every packet is in
/// exactly one list of ctx.exits.
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

/// What one stage has cost a worker, in the bursts that it measured.
struct StageClock {
  Counter packets;
  Counter cycles;
};
using StageClocks = std::array<StageClock, stage_names.size()>;

/// Measures the stages: reads the TSC where one ends and the next begins.
struct ClockTracer {
  static constexpr bool enabled = false;
  StageClocks* clocks = nullptr;
  StageClock* running = nullptr;
  std::uint64_t since_tsc = 0;

  template <class Text>
  void note(std::string_view, const PacketContext&, Text&&) {}
  void enter(Stage stage, unsigned packets) {
    finish();
    running = &(*clocks)[static_cast<std::size_t>(stage)];
    running->packets.add(packets);
  }
  void finish() {
    const std::uint64_t now = rte_rdtsc();
    if (running != nullptr) running->cycles.add(now - since_tsc);
    running = nullptr;
    since_tsc = now;
  }
};

extern template void run_pipeline(StageContext<NullTracer>&, Burst&, Entry);
extern template void run_pipeline(StageContext<ClockTracer>&, Burst&, Entry);
extern template void run_pipeline(StageContext<RecordTracer>&, Burst&, Entry);

}  // namespace weft
