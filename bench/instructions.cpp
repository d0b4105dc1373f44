// Sends packets through the pipeline as far as each stage and as a whole, for callgrind to count:
//   instructions WORK ROUNDS [TUNNELS|mixed|flows|flows6|policy|new [KIND]]
// A round is one burst of 32; with `mixed` for TUNNELS it is one of each size, see mixed.hpp; with
// `flows` (`flows6`: of IPv6; `policy`: a VIF's under 1 000 rules) each packet has a session, and
// with `new` it opens one, under 1 000 rules. KIND: a tunnel kind other than VXLAN. After each way
// it has callgrind write down what that took, under the stage's name; `pipeline` is all of it, as
// weftd runs it.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <cstring>
#include <iterator>
#include <string>

#include "flow_traffic.hpp"
#include "mixed.hpp"

namespace {

constexpr unsigned rules = 1000;

/// Rounds of packets of flows that no round before had.
class FreshBursts {
 public:
  FreshBursts(const weft::bench::Plane& plane, weft::bench::Work work, std::size_t rounds)
      : traffic_(plane, work) {
    for (std::uint32_t i = 0; i < rounds * weft::bench::Traffic::burst; ++i) {
      frames_.add(weft::bench::frame_of(work, weft::IpFamily::v4, i));
    }
  }
  template <class Run>
  void round(Run&& run) {
    for (unsigned i = 0; i < weft::bench::Traffic::burst; ++i) {
      traffic_.lay(i, frames_[next_]);
      next_ = (next_ + 1) % frames_.count();
    }
    run(traffic_.ingress(), traffic_.laid(weft::bench::Traffic::burst));
  }

 private:
  weft::bench::Traffic traffic_;
  weft::bench::Frames frames_;
  std::size_t next_ = 0;
};

template <std::size_t Count>
int index_of(const char* const (&names)[Count], const char* name) {
  for (std::size_t i = 0; i < Count; ++i) {
    if (std::strcmp(names[i], name) == 0) return static_cast<int>(i);
  }
  return -1;
}

/// Answers whether all packets left by a port.
template <class Plane, class Bursts>
bool run(const Plane& plane, Bursts&& bursts, unsigned long rounds) {
  namespace bench = weft::bench;
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
    std::fprintf(
        stderr, "usage: instructions WORK ROUNDS [TUNNELS|mixed|flows|flows6|policy|new [KIND]]\n");
    return 2;
  }
  const auto* info = weft::find_tunnel_kind(argc > 4 ? argv[4] : "vxlan", "key");
  if (info == nullptr) return 2;
  const bench::TunnelWay way{info->kind, !info->ipv6_only};
  const unsigned long rounds = std::strtoul(argv[2], nullptr, 10);
  const std::string kind = argc > 3 ? argv[3] : "1";
  bench::pool();
  const auto what = static_cast<bench::Work>(work);
  bool left = false;
  if (kind == "mixed") {
    const bench::MixedPlane plane(way);
    left = run(plane, bench::MixedBursts(plane, what), rounds);
  } else if (kind == "new") {
    const bench::Plane plane({.flows = true, .rules = rules});
    left = run(plane, FreshBursts(plane, what, rounds + 1), rounds);
  } else {
    const bool flows = kind == "flows" || kind == "flows6" || kind == "policy";
    const bench::Plane plane({.tunnels = flows ? 1 : static_cast<unsigned>(std::stoul(kind)),
                              .way = way,
                              .flows = flows,
                              .rules = kind == "policy" ? rules : 0});
    const auto family = kind == "flows6" ? weft::IpFamily::v6 : weft::IpFamily::v4;
    left = run(plane, bench::Bursts(plane, what, family), rounds);
  }
  bench::stop_eal();
  if (!left) std::fprintf(stderr, "packets did not leave by a port\n");
  return left ? 0 : 1;
}
