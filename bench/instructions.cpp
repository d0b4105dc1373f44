// Sends packets through the pipeline as far as each stage and as a whole, for callgrind to count:
//   instructions WORK ROUNDS [TUNNELS|mixed|flows]
// A round is one burst of 32; with `mixed` for TUNNELS it is one of each size, see mixed.hpp. After
// each way it has callgrind write down what that took, under the stage's name; `pipeline` is all of
// it, as weftd runs it.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstring>
#include <iterator>

#include "mixed.hpp"
#include "stages_up_to.hpp"

namespace {

template <std::size_t Count>
int index_of(const char* const (&names)[Count], const char* name) {
  for (std::size_t i = 0; i < Count; ++i) {
    if (std::strcmp(names[i], name) == 0) return static_cast<int>(i);
  }
  return -1;
}

/// Answers whether all packets left by a port.
template <class Bursts, class Plane>
bool run(const Plane& plane, weft::bench::Work work, unsigned long rounds) {
  namespace bench = weft::bench;
  Bursts bursts(plane, work);
  auto counters = std::make_unique<weft::WorkerCounters>();
  auto exits = std::make_unique<weft::Exits>();
  auto burst = std::make_unique<weft::Burst>();
  bench::Context ctx{plane.tables(), *counters, *exits, {}, plane.hands()};
  const auto count = [&](const char* name, auto&& way) {
    const auto go = [&](const weft::Ingress& ingress, std::span<rte_mbuf* const> packets) {
      way(ingress, packets);
      bench::empty(*exits);
    };
    bursts.round(go);  // what happens once
    CALLGRIND_ZERO_STATS;
    for (unsigned long i = 0; i < rounds; ++i) bursts.round(go);
    CALLGRIND_DUMP_STATS_AT(name);
  };
  for (int last = 0; last < bench::stage_count; ++last) {
    count(bench::stage_names[last], [&](const auto& ingress, auto packets) {
      bench::run_up_to(ctx, ingress, packets, last);
    });
  }
  count("pipeline", [&](const auto& ingress, auto packets) {
    weft::run_received(ctx, *burst, ingress, packets);
  });
  return exits->dropped.count + exits->punted.count + exits->held.count == 0;
}

}  // namespace

int main(int argc, char** argv) {
  namespace bench = weft::bench;
  const int work = argc > 2 ? index_of(bench::work_names, argv[1]) : -1;
  if (work < 0) {
    std::fprintf(stderr, "usage: instructions WORK ROUNDS [TUNNELS|mixed|flows]\n");
    return 2;
  }
  const unsigned long rounds = std::strtoul(argv[2], nullptr, 10);
  const char* tunnels = argc > 3 ? argv[3] : "1";
  bench::pool();
  const auto what = static_cast<bench::Work>(work);
  bool left = false;
  if (std::strcmp(tunnels, "mixed") == 0) {
    left = run<bench::MixedBursts>(bench::MixedPlane(), what, rounds);
  } else if (std::strcmp(tunnels, "flows") == 0) {
    left = run<bench::Bursts>(bench::Plane({.flows = true}), what, rounds);
  } else {
    left = run<bench::Bursts>(bench::Plane({.tunnels = static_cast<unsigned>(std::atoi(tunnels))}),
                              what, rounds);
  }
  bench::stop_eal();
  if (!left) std::fprintf(stderr, "packets did not leave by a port\n");
  return left ? 0 : 1;
}
