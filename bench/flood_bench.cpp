// What strangers can do to packets of sessions that stand: fill the table, or choose flows that a
// known hash puts into one bucket. Rows fail where such packets cost more than twice as much, or a
// session is lost.
#include <benchmark/benchmark.h>

#include <cstdio>

#include "flow_traffic.hpp"

namespace {

using namespace weft;
using namespace weft::bench;

constexpr double limit = 2;
constexpr std::uint8_t tcp = 6;
constexpr std::uint8_t udp = 17;

/// Established connections of the VM beside SYNs that come through the tunnel.
class Connections {
 public:
  Connections(const Plane& plane, std::uint32_t count)
      : plane_(plane), vm_(plane, Work::encap), far_(plane, Work::decap), count_(count) {
    using namespace wire::tcp_flag;
    Frames open;
    Frames answer;
    for (std::uint32_t i = 0; i < count; ++i) {
      open.add(tcp_frame({router_mac, vm_mac}, flow_of(i), syn));
      answer.add(tunnelled(tcp_frame({router_mac, vm_mac}, answer_to(flow_of(i)), syn | ack), i));
      packets_.add(tcp_frame({router_mac, vm_mac}, flow_of(i), ack));
    }
    vm_.send(open);
    far_.send(answer);
    vm_.send(packets_);
  }

  /// Ticks a packet of one burst of random connections.
  double burst() {
    for (unsigned i = 0; i < Traffic::burst; ++i) vm_.lay(i, packets_[random_() % count_]);
    return static_cast<double>(vm_.send(Traffic::burst)) / Traffic::burst;
  }
  /// The same of a burst of SYNs of strangers, from number `first` on.
  double flood(std::uint32_t first) {
    for (unsigned i = 0; i < Traffic::burst; ++i) {
      const Flow flow = answer_to(flow_of(first + i));
      far_.lay(i, tunnelled(tcp_frame({router_mac, vm_mac}, flow, wire::tcp_flag::syn), first + i));
    }
    return static_cast<double>(far_.send(Traffic::burst)) / Traffic::burst;
  }
  void tidy() { plane_.hands()->tidy(1); }
  /// Packets of them that did not leave, and those that have no established session.
  [[nodiscard]] std::size_t lost() const {
    const FlowTable<FlowKey4>& table = plane_.flows().v4;
    std::size_t lost = vm_.lost();
    for (std::uint32_t i = 0; i < count_; ++i) {
      const FlowKey4 key = key_of(flow_of(i), tcp);
      const std::uint32_t direction = table.find(key, table.hash(key));
      lost += direction == 0 || table.state(direction / 2) != FlowState::established;
    }
    return lost;
  }

 private:
  const Plane& plane_;
  Traffic vm_;
  Traffic far_;
  std::uint32_t count_;
  Frames packets_;
  std::mt19937 random_{1};
};

/// SYNs of ten times the table's size; a quarter of it are established connections, whose bursts
/// alternate with those of the flood.
void syn_flood(benchmark::State& state) {
  pool();
  const auto sessions = static_cast<std::uint32_t>(state.range(0));
  const Plane plane({.flows = true, .sessions = sessions});
  Connections connections(plane, sessions / 4);
  std::vector<double> quiet;
  std::vector<double> flooded;
  std::vector<double> strangers;
  for (auto _ : state) {
    for (std::uint32_t i = 0; i < 10 * sessions; i += Traffic::burst) {
      quiet.push_back(connections.burst());
      connections.tidy();
    }
    for (std::uint32_t i = 0; i < 10 * sessions; i += Traffic::burst) {
      flooded.push_back(connections.burst());
      connections.tidy();
      strangers.push_back(connections.flood(sessions + i));
      connections.tidy();
    }
  }
  const double times = median(flooded) / median(quiet);
  state.counters["quiet"] = median(quiet);
  state.counters["cycles"] = median(flooded);
  state.counters["times"] = times;
  state.counters["flood"] = median(strangers);
  if (plane.hands()->v4().evicted.get() < sessions) state.SkipWithError("the table was not filled");
  if (times > limit) state.SkipWithError("established connections cost more than twice as much");
  if (connections.lost() != 0) state.SkipWithError("an established connection lost something");
}
BENCHMARK(syn_flood)->ArgName("sessions")->Arg(1 << 10)->Arg(1 << 16)->Arg(1 << 20)->Iterations(1);

constexpr std::size_t flood_sessions = 1 << 16;
constexpr unsigned flood_flows = 1024;

/// Numbers of flows that the seed puts into one bucket.
std::vector<std::uint32_t> colliding(const tunnel::HashSeed& seed) {
  const std::size_t buckets = FlowIndex(2 * flood_sessions).buckets();
  std::vector<std::uint32_t> found;
  for (std::uint32_t number = 0; found.size() < flood_flows; ++number) {
    const FlowKey4 key = key_of(flow_of(number), udp);
    if (key.hash(seed) % buckets == 7) found.push_back(number);
  }
  return found;
}

/// Cycles a packet of flows that come again and again.
struct Repeated {
  double cycles;
  std::uint64_t sessions;  ///< that were opened for them
};
Repeated repeat(const tunnel::HashSeed& seed, const std::vector<std::uint32_t>& numbers) {
  const Plane plane({.flows = true, .sessions = flood_sessions, .seed = seed});
  Traffic traffic(plane, Work::encap);
  Frames frames;
  for (const std::uint32_t number : numbers) {
    frames.add(frame_of(Work::encap, IpFamily::v4, number));
  }
  traffic.send(frames);
  std::vector<double> cycles;
  for (unsigned round = 0; round < 200; ++round) {
    for (unsigned first = 0; first < flood_flows; first += Traffic::most) {
      for (unsigned i = 0; i < Traffic::most; ++i) traffic.lay(i, frames[first + i]);
      cycles.push_back(static_cast<double>(traffic.send(Traffic::most)) / Traffic::most);
      plane.hands()->reclaim(2 * Traffic::most);
    }
  }
  std::uint64_t stand = 0;
  for (const std::uint32_t number : numbers) {
    const FlowKey4 key = key_of(flow_of(number), udp);
    stand += plane.flows().v4.find(key, plane.flows().v4.hash(key)) != 0;
  }
  return {median(cycles), stand};
}

/// Flows that meet in one bucket under a seed that everybody knows, against a table whose seed is
/// secret; and, to show that they would, against one with the known seed.
void hash_flood(benchmark::State& state) {
  pool();
  std::random_device random;
  const auto word = [&] { return std::uint64_t{random()} << 32 | random(); };
  const tunnel::HashSeed secret{word(), word()};
  const std::vector<std::uint32_t> chosen = colliding({});
  std::vector<std::uint32_t> ordinary;
  for (unsigned i = 0; i < flood_flows; ++i) ordinary.push_back(i * 7919);
  for (auto _ : state) {
    const Repeated usual = repeat(secret, ordinary);
    const Repeated attack = repeat(secret, chosen);
    const Repeated control = repeat({}, chosen);
    const double times = attack.cycles / usual.cycles;
    state.counters["quiet"] = usual.cycles;
    state.counters["cycles"] = attack.cycles;
    state.counters["times"] = times;
    state.counters["known_seed"] = control.cycles;
    char label[96];
    std::snprintf(label, sizeof label, "seed %016lx %016lx; with the known one %lu of %u sessions",
                  secret.first, secret.second, control.sessions, flood_flows);
    state.SetLabel(label);
    if (attack.sessions != flood_flows) state.SkipWithError("a session found no room");
    if (times > limit) state.SkipWithError("chosen flows cost more than twice as much");
    if (control.sessions > FlowIndex::slots) state.SkipWithError("chosen flows do not collide");
  }
}
BENCHMARK(hash_flood)->Iterations(1);

}  // namespace
