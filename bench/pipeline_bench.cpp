// Each stage and the whole pipeline on bursts of 32 packets of 60 bytes. Every row includes
// restoring the burst, whose own cost is the row `restore`; a stage's row is the way up to and with
// that stage.
#include <benchmark/benchmark.h>

#include "bench_plane.hpp"
#include "stages_up_to.hpp"

namespace {

using weft::bench::Bursts;
using weft::bench::Context;
using weft::bench::Cycles;
using weft::bench::Plane;
using weft::bench::Work;

/// Runs `stages(ctx, burst)` on restored bursts.
template <class Stages>
void run(benchmark::State& state, Work work, unsigned tunnels, Stages&& stages) {
  weft::bench::pool();
  const Plane plane(tunnels);
  Bursts bursts(plane, work);
  auto counters = std::make_unique<weft::WorkerCounters>();
  auto exits = std::make_unique<weft::Exits>();
  auto burst = std::make_unique<weft::Burst>();
  Context ctx{plane.tables(), *counters, *exits, {}};
  Cycles cycles(state);
  for (auto _ : state) {
    bursts.restore();
    stages(ctx, *burst, bursts);
    exits->tx[0].count = exits->tx[1].count = 0;
    exits->tx_ports = 0;
    benchmark::DoNotOptimize(exits->tx);
  }
  cycles.done(Bursts::size);
  if (exits->dropped.count + exits->punted.count + exits->held.count != 0) {
    state.SkipWithError("packets did not leave by a port");
  }
}

/// The way through the pipeline as far as stage number `last`.
void up_to(benchmark::State& state) {
  const auto work = static_cast<Work>(state.range(0));
  const auto last = state.range(1);
  run(state, work, 1, [last](Context& ctx, weft::Burst&, const Bursts& bursts) {
    weft::bench::run_up_to(ctx, bursts.ingress(), bursts.packets(), static_cast<int>(last));
  });
  state.SetLabel(std::string(weft::bench::work_names[state.range(0)]) + ": to " +
                 weft::bench::stage_names[last]);
}
BENCHMARK(up_to)->ArgNames({"work", "stage"})->ArgsProduct({{0, 1, 2}, {0, 1, 2, 3, 4, 5, 6}});

void pipeline(benchmark::State& state) {
  run(state, static_cast<Work>(state.range(0)), static_cast<unsigned>(state.range(1)),
      [](Context& ctx, weft::Burst& burst, const Bursts& bursts) {
        weft::run_received(ctx, burst, bursts.ingress(), bursts.packets());
      });
  state.SetLabel(weft::bench::work_names[state.range(0)]);
}
BENCHMARK(pipeline)->ArgNames({"work", "tunnels"})->ArgsProduct({{0, 1, 2}, {1}})->Args({1, 32});

}  // namespace
