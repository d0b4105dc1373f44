// The first packets of flows through the whole pipeline: judged by 1 000 rules, and both directions
// of a session inserted into a table that is half full. Among them go packets of sessions that
// stand, so that nothing is in the near caches that would not be there with a worker; sessions are
// closed and their places given back outside of the timed part.
#include <benchmark/benchmark.h>

#include "flow_traffic.hpp"

namespace {

using namespace weft;
using namespace weft::bench;

constexpr unsigned rules = 1000;
constexpr std::uint32_t first_new = 1 << 21;  // numbers of flows that do not stand yet
constexpr std::uint32_t new_flows = 1 << 14;
constexpr unsigned stand = 8192;  // packets of known flows in between

Frames frames(Work work, std::uint32_t first, std::uint32_t count) {
  Frames made;
  for (std::uint32_t i = 0; i < count; ++i) made.add(frame_of(work, IpFamily::v4, first + i));
  return made;
}

/// Ends the sessions of so many flows from `first` on; false: one is missing.
bool close(const Plane& plane, Work work, std::uint32_t first, unsigned count) {
  FlowTable<FlowKey4>& table = plane.flows().v4;
  bool all = true;
  for (unsigned i = 0; i < count; ++i) {
    const Flow flow = flow_of(first + i);
    const FlowKey4 there = key_of(work == Work::decap ? answer_to(flow) : flow, 17);
    const FlowKey4 back = there.reverse(VrfId(1));
    const std::uint32_t direction = table.find(there, table.hash(there));
    all = all && direction != 0 &&
          table.find(back, table.hash(back)) == FlowTable<FlowKey4>::other(direction) &&
          table.close(plane.hands()->of<FlowKey4>(), direction);
  }
  plane.hands()->reclaim(count);
  return all;
}

/// Cycles a packet: median of batches of 256 flows.
void new_flow(benchmark::State& state) {
  pool();
  const auto work = static_cast<Work>(state.range(0));
  const auto flows = static_cast<std::uint32_t>(state.range(1));
  const Plane plane({.flows = true, .rules = rules, .sessions = 2 * std::size_t{flows}});
  Traffic traffic(plane, work);
  const Frames known = frames(work, 0, flows);
  const Frames fresh = frames(work, first_new, new_flows);
  traffic.send(known);
  std::mt19937 random(1);
  std::vector<double> cycles;
  std::uint32_t next = 0;
  bool opened = true;
  for (auto _ : state) {
    for (unsigned sent = 0; sent < stand; sent += Traffic::most) {
      for (unsigned i = 0; i < Traffic::most; ++i) traffic.lay(i, known[random() % flows]);
      traffic.send(Traffic::most);
    }
    for (unsigned i = 0; i < Traffic::most; ++i) traffic.lay(i, fresh[next + i]);
    cycles.push_back(static_cast<double>(traffic.send(Traffic::most)) / Traffic::most);
    opened = close(plane, work, first_new + next, Traffic::most) && opened;
    next = (next + Traffic::most) % new_flows;
  }
  const double typical = median(cycles);
  state.counters["cycles"] = typical;
  const double wanted = flows <= 1 << 10 ? 700 : flows <= 100 << 10 ? 800 : 900;
  state.SetLabel(std::string(work_names[state.range(0)]) + ": " +
                 (typical <= wanted ? "within " : "ABOVE ") +
                 std::to_string(static_cast<int>(wanted)));
  if (!opened || traffic.lost() != 0) state.SkipWithError("a flow was not opened both ways");
}
BENCHMARK(new_flow)
    ->ArgNames({"work", "flows"})
    ->ArgsProduct({{0, 1}, {1 << 10, 100 << 10, 1 << 20}})
    ->Iterations(500);

}  // namespace
