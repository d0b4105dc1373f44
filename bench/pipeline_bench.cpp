// Each stage and the whole pipeline on bursts of 32 packets of 60 bytes. Every row includes
// restoring the burst, whose own cost is the row `restore`; a stage's row is the way up to and with
// that stage.
#include <benchmark/benchmark.h>

#include "bench_plane.hpp"
#include "stages/decap.hpp"
#include "stages/encap.hpp"
#include "stages/flow.hpp"
#include "stages/output.hpp"
#include "stages/parse.hpp"
#include "stages/resolve.hpp"
#include "stages/rewrite.hpp"

namespace {

using weft::bench::Bursts;
using weft::bench::Cycles;
using weft::bench::Plane;
using weft::bench::Work;
using Context = weft::StageContext<weft::NullTracer>;

constexpr const char* work_names[] = {"vxlan encap", "vxlan decap", "route"};

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
    bursts.restore(*burst);
    stages(ctx, *burst);
    exits->tx[0].count = exits->tx[1].count = 0;
    exits->tx_ports = 0;
    benchmark::DoNotOptimize(exits->tx);
  }
  cycles.done(Bursts::size);
  if (exits->dropped.count + exits->punted.count + exits->held.count != 0) {
    state.SkipWithError("packets did not leave by a port");
  }
}

void up_to(benchmark::State& state) {
  const auto work = static_cast<Work>(state.range(0));
  const auto last = state.range(1);
  run(state, work, 1, [last](Context& ctx, weft::Burst& burst) {
    if (last < 1) return;
    weft::stage::parse(ctx, burst, 0);
    if (last < 2) return;
    if (const unsigned opened = weft::stage::decap(ctx, burst, 0); opened != 0) {
      weft::stage::parse(ctx, burst, burst.count - opened);
    }
    if (last < 3) return;
    weft::stage::flow(ctx, burst);
    if (last < 4) return;
    weft::stage::resolve(ctx, burst);
    if (last < 5) return;
    weft::stage::rewrite(ctx, burst);
    if (last < 6) return;
    weft::stage::encap(ctx, burst);
    if (last < 7) return;
    weft::stage::output(ctx, burst);
  });
  constexpr const char* stage_names[] = {"restore", "parse",   "decap and parse", "flow",
                                         "resolve", "rewrite", "encap",           "output"};
  state.SetLabel(std::string(work_names[state.range(0)]) + ": to " + stage_names[last]);
}
BENCHMARK(up_to)->ArgNames({"work", "stage"})->ArgsProduct({{0, 1, 2}, {0, 1, 2, 3, 4, 5, 6, 7}});

void pipeline(benchmark::State& state) {
  run(state, static_cast<Work>(state.range(0)), static_cast<unsigned>(state.range(1)),
      [](Context& ctx, weft::Burst& burst) { weft::run_pipeline(ctx, burst, weft::Entry::parse); });
  state.SetLabel(work_names[state.range(0)]);
}
BENCHMARK(pipeline)->ArgNames({"work", "tunnels"})->ArgsProduct({{0, 1, 2}, {1}})->Args({1, 32});

}  // namespace
