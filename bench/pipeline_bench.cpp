// Each stage and the whole pipeline on bursts of 32 packets of 60 bytes. Every row includes
// restoring the burst, whose own cost is the row `restore`; a stage's row is the way up to and with
// that stage.
#include <benchmark/benchmark.h>

#include "mixed.hpp"
#include "stages_up_to.hpp"

namespace {

using weft::bench::Bursts;
using weft::bench::Context;
using weft::bench::Cycles;
using weft::bench::MixedBursts;
using weft::bench::MixedPlane;
using weft::bench::Plane;
using weft::bench::Work;

/// Runs `stages(ctx, burst, ingress, packets)` on restored bursts.
template <class Bursts, class Plane, class Stages>
void run(benchmark::State& state, const Plane& plane, Work work, Stages&& stages) {
  Bursts bursts(plane, work);
  auto counters = std::make_unique<weft::WorkerCounters>();
  auto exits = std::make_unique<weft::Exits>();
  auto burst = std::make_unique<weft::Burst>();
  Context ctx{plane.tables(), *counters, *exits, {}, plane.hands()};
  Cycles cycles(state);
  for (auto _ : state) {
    bursts.round([&](const weft::Ingress& ingress, std::span<rte_mbuf* const> packets) {
      stages(ctx, *burst, ingress, packets);
      weft::bench::empty(*exits);
      benchmark::DoNotOptimize(exits->tx);
    });
  }
  cycles.done(Bursts::packets_a_round);
  if (exits->dropped.count + exits->punted.count + exits->held.count != 0) {
    state.SkipWithError("packets did not leave by a port");
  }
}

constexpr auto whole = [](Context& ctx, weft::Burst& burst, const weft::Ingress& ingress,
                          std::span<rte_mbuf* const> packets) {
  weft::run_received(ctx, burst, ingress, packets);
};

/// The way through the pipeline as far as stage number `last`.
void up_to(benchmark::State& state) {
  const auto work = static_cast<Work>(state.range(0));
  const auto last = state.range(1);
  weft::bench::pool();
  run<Bursts>(state, Plane(), work,
              [last](Context& ctx, weft::Burst&, const weft::Ingress& ingress,
                     std::span<rte_mbuf* const> packets) {
                weft::bench::run_up_to(ctx, ingress, packets, static_cast<int>(last));
              });
  state.SetLabel(std::string(weft::bench::work_names[state.range(0)]) + ": to " +
                 weft::bench::stage_names[last]);
}
BENCHMARK(up_to)->ArgNames({"work", "stage"})->ArgsProduct({{0, 1, 2}, {0, 1, 2, 3, 4, 5, 6}});

void pipeline(benchmark::State& state) {
  weft::bench::pool();
  run<Bursts>(state, Plane({.tunnels = static_cast<unsigned>(state.range(1))}),
              static_cast<Work>(state.range(0)), whole);
  state.SetLabel(weft::bench::work_names[state.range(0)]);
}
BENCHMARK(pipeline)->ArgNames({"work", "tunnels"})->ArgsProduct({{0, 1, 2}, {1}})->Args({1, 32});

/// The same with a session for each flow.
void pipeline_flows(benchmark::State& state) {
  weft::bench::pool();
  run<Bursts>(state, Plane({.flows = true}), static_cast<Work>(state.range(0)), whole);
  state.SetLabel(std::string(weft::bench::work_names[state.range(0)]) + ", flows");
}
BENCHMARK(pipeline_flows)->ArgName("work")->Arg(0)->Arg(1)->Arg(2);

/// At most 1.5 times the row of one tunnel, once the restoring of both is taken off.
void pipeline_mixed(benchmark::State& state) {
  weft::bench::pool();
  run<MixedBursts>(state, MixedPlane(), static_cast<Work>(state.range(0)), whole);
  state.SetLabel(weft::bench::work_names[state.range(0)]);
}
BENCHMARK(pipeline_mixed)->ArgName("work")->Arg(0)->Arg(1);

void restore_mixed(benchmark::State& state) {
  weft::bench::pool();
  run<MixedBursts>(state, MixedPlane(), static_cast<Work>(state.range(0)),
                   [](Context&, weft::Burst&, const weft::Ingress&, std::span<rte_mbuf* const>) {});
}
BENCHMARK(restore_mixed)->ArgName("work")->Arg(0)->Arg(1);

}  // namespace
