// Sends packets through the pipeline as far as some stage, for callgrind to count:
//   instructions WORK STAGE ROUNDS [TUNNELS]     STAGE `pipeline`: all of it, as weftd runs it
// A round is one burst of 32; with `mixed` for TUNNELS it is one of each size, see mixed.hpp.
// tools/bench takes the difference of two runs, so what happens once does not count.
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
bool run(const Plane& plane, weft::bench::Work work, int last, unsigned long rounds) {
  Bursts bursts(plane, work);
  auto counters = std::make_unique<weft::WorkerCounters>();
  auto exits = std::make_unique<weft::Exits>();
  auto burst = std::make_unique<weft::Burst>();
  weft::bench::Context ctx{plane.tables(), *counters, *exits, {}};
  for (unsigned long i = 0; i < rounds; ++i) {
    bursts.round([&](const weft::Ingress& ingress, std::span<rte_mbuf* const> packets) {
      if (last < 0) {
        weft::run_received(ctx, *burst, ingress, packets);
      } else {
        weft::bench::run_up_to(ctx, ingress, packets, last);
      }
      weft::bench::empty(*exits);
    });
  }
  return exits->dropped.count + exits->punted.count + exits->held.count == 0;
}

}  // namespace

int main(int argc, char** argv) {
  namespace bench = weft::bench;
  const int work = argc > 3 ? index_of(bench::work_names, argv[1]) : -1;
  const int last = argc > 3 ? index_of(bench::stage_names, argv[2]) : -1;
  const bool whole = argc > 3 && std::strcmp(argv[2], "pipeline") == 0;
  if (work < 0 || (last < 0 && !whole)) {
    std::fprintf(stderr, "usage: instructions WORK STAGE ROUNDS [TUNNELS|mixed]\n");
    return 2;
  }
  const unsigned long rounds = std::strtoul(argv[3], nullptr, 10);
  const char* tunnels = argc > 4 ? argv[4] : "1";
  bench::pool();
  const bool left =
      std::strcmp(tunnels, "mixed") == 0
          ? run<bench::MixedBursts>(bench::MixedPlane(), static_cast<bench::Work>(work), last,
                                    rounds)
          : run<bench::Bursts>(bench::Plane(static_cast<unsigned>(std::atoi(tunnels))),
                               static_cast<bench::Work>(work), last, rounds);
  bench::stop_eal();
  if (!left) std::fprintf(stderr, "packets did not leave by a port\n");
  return left ? 0 : 1;
}
