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

using weft::bench::TunnelWay;

/// Tunnel kinds over the underlays that they have, but VXLAN over IPv4.
std::vector<TunnelWay> other_ways() {
  std::vector<TunnelWay> all;
  for (const auto& info : weft::tunnel_kinds) {
    const bool v4 = !info.ipv6_only && info.kind != weft::TunnelKind::vxlan;
    if (v4) all.push_back({info.kind, true});
    if (!info.on_ethernet) all.push_back({info.kind, false});
  }
  return all;
}
std::string label_of(const TunnelWay& way, Work work) {
  const auto& info = weft::describe(way.kind);
  const std::string underlay = info.on_ethernet ? "Ethernet" : way.underlay_v4 ? "IPv4" : "IPv6";
  return std::string(info.name) + (info.network == "key" ? ", key" : "") + " over " + underlay +
         (work == Work::encap ? ", encap" : ", decap");
}

/// Of each kind and underlay, with a session for each flow.
void kinds(benchmark::State& state) {
  weft::bench::pool();
  const auto work = static_cast<Work>(state.range(0));
  const TunnelWay way = other_ways()[static_cast<std::size_t>(state.range(1))];
  run<Bursts>(state, Plane({.way = way, .flows = true}), work, whole);
  state.SetLabel(label_of(way, work));
}
/// The mixed rows; kinds whose networks have no numbers have none.
void kinds_mixed(benchmark::State& state) {
  weft::bench::pool();
  const auto work = static_cast<Work>(state.range(0));
  const TunnelWay way = other_ways()[static_cast<std::size_t>(state.range(1))];
  if (way.kind == weft::TunnelKind::gre)
    return state.SkipWithError("GRE without key is one network");
  run<MixedBursts>(state, MixedPlane(way), work, whole);
  state.SetLabel(label_of(way, work));
}
void each_way(benchmark::internal::Benchmark* row) {
  const auto ways = static_cast<std::int64_t>(other_ways().size());
  for (std::int64_t way = 0; way < ways; ++way) {
    for (const std::int64_t work : {0, 1}) row->Args({work, way});
  }
}
BENCHMARK(kinds)->ArgNames({"work", "way"})->Apply(each_way);
BENCHMARK(kinds_mixed)->ArgNames({"work", "way"})->Apply(each_way);

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
