// Sends a number of bursts through the pipeline as far as some stage, for callgrind to count:
//   instructions WORK STAGE BURSTS [TUNNELS]     STAGE `pipeline`: all of it, as weftd runs it
// tools/bench takes the difference of two runs, so what happens once does not count.
#include <cstdio>
#include <cstring>
#include <iterator>

#include "bench_plane.hpp"
#include "stages_up_to.hpp"

namespace {

template <std::size_t Count>
int index_of(const char* const (&names)[Count], const char* name) {
  for (std::size_t i = 0; i < Count; ++i) {
    if (std::strcmp(names[i], name) == 0) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

int main(int argc, char** argv) {
  namespace bench = weft::bench;
  const int work = argc > 3 ? index_of(bench::work_names, argv[1]) : -1;
  const int last = argc > 3 ? index_of(bench::stage_names, argv[2]) : -1;
  const bool whole = argc > 3 && std::strcmp(argv[2], "pipeline") == 0;
  if (work < 0 || (last < 0 && !whole)) {
    std::fprintf(stderr, "usage: instructions WORK STAGE BURSTS [TUNNELS]\n");
    return 2;
  }
  const unsigned long count = std::strtoul(argv[3], nullptr, 10);
  bench::pool();
  {
    const bench::Plane plane(argc > 4 ? static_cast<unsigned>(std::atoi(argv[4])) : 1);
    bench::Bursts bursts(plane, static_cast<bench::Work>(work));
    auto counters = std::make_unique<weft::WorkerCounters>();
    auto exits = std::make_unique<weft::Exits>();
    auto burst = std::make_unique<weft::Burst>();
    bench::Context ctx{plane.tables(), *counters, *exits, {}};
    for (unsigned long i = 0; i < count; ++i) {
      bursts.restore();
      if (whole) {
        weft::run_received(ctx, *burst, bursts.ingress(), bursts.packets());
      } else {
        bench::run_up_to(ctx, bursts.ingress(), bursts.packets(), last);
      }
      exits->tx[0].count = exits->tx[1].count = 0;
      exits->tx_ports = 0;
    }
    if (exits->dropped.count + exits->punted.count + exits->held.count != 0) {
      std::fprintf(stderr, "packets did not leave by a port\n");
      return 1;
    }
  }
  bench::stop_eal();
  return 0;
}
