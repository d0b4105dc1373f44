#pragma once
/// The way through the stages, and where bursts may enter it.

#include "stages/stage.hpp"

namespace weft {

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

extern template void run_pipeline(StageContext<NullTracer>&, Burst&, Entry);
extern template void run_pipeline(StageContext<RecordTracer>&, Burst&, Entry);

}  // namespace weft
