#include "paced_rig.hpp"

#include <rte_cycles.h>
#include <sched.h>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>

namespace weft::bench {
namespace {

std::vector<unsigned> allowed_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::vector<unsigned> cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

/// Threads started while it lives come before all of other processes, where this process may ask
/// for that.
class RealTime {
 public:
  RealTime() {
    const sched_param lowest{.sched_priority = 1};
    sched_setscheduler(0, SCHED_FIFO, &lowest);
  }
  ~RealTime() {
    const sched_param none{.sched_priority = 0};
    sched_setscheduler(0, SCHED_OTHER, &none);
  }
  RealTime(const RealTime&) = delete;
  RealTime& operator=(const RealTime&) = delete;
};

}  // namespace

PacedRouter::PacedRouter(const FlowSettings& flows) {
  const std::vector<unsigned> cpus = allowed_cpus();
  io::RouterOptions options;
  options.eal.memory_mb = 128;
  options.eal.worker_cpus = {cpus.back()};
  options.adaptive_idle = false;
  options.flows = flows;
  auto router = [&] {
    std::optional<RealTime> alone;
    if (cpus.size() > 1) alone.emplace();  // else nothing would be left for this thread
    return io::Router::start(options);
  }();
  if (!router) throw std::runtime_error(router.error().message);
  router_ = std::move(*router);
  clock_.emplace(static_cast<double>(rte_get_tsc_hz()));
}

void PacedRouter::offer_from(PortId fabric, PortId vm) {
  fabric_ = std::make_unique<PacedPort>(fabric, *clock_);
  vm_ = std::make_unique<PacedPort>(vm, *clock_);
}

PacedRig::PacedRig(unsigned flows, bool judged) : PacedRouter(FlowSettings{}) {
  const auto open = [&](const char* name) {
    const auto opened =
        router().open_port({.name = name, .device = PacedPort::device(), .mac = {}});
    if (!opened) throw std::runtime_error(opened.error().message);
    return opened->id;
  };
  const PortId fabric = open("fabric");
  offer_from(fabric, open("vm"));
  versions_ = std::make_unique<Versions>(fabric_->id(), vm_->id());
  fabric_->set_frames(Versions::from_fabric(flows));
  vm_->set_frames(Versions::from_vm(flows));
  if (judged) {
    using Frame = std::span<const std::uint8_t>;
    fabric_->look_at_sent(
        [](void* versions, Frame f) { static_cast<Versions*>(versions)->judge_encapsulated(f); },
        versions_.get());
    vm_->look_at_sent(
        [](void* versions, Frame f) { static_cast<Versions*>(versions)->judge_decapsulated(f); },
        versions_.get());
  }
  const auto applied = router().apply(versions_->world());
  if (!applied) throw std::runtime_error(applied.error().message);
}

PacedRouter::Totals PacedRouter::totals() const {
  const PacedCount a = fabric_->count();
  const PacedCount b = vm_->count();
  const CountersSnapshot counters = router_->counters();
  Totals totals{{a.offered + b.offered, a.taken + b.taken, a.lost + b.lost, a.missed + b.missed},
                0,
                std::accumulate(counters.drops.begin(), counters.drops.end(), std::uint64_t{0})};
  for (const PortCounters& port : counters.ports) totals.sent += port.tx.packets;
  return totals;
}

Outcome PacedRouter::run(const Load& load, const std::function<void()>& meanwhile) {
  const Totals before = totals();
  const std::uint64_t away = clock_->away_ticks();
  clock_->restart();
  fabric_->offer(load.from_fabric);
  vm_->offer(load.from_vm);
  meanwhile();
  vm_->offer(0);
  fabric_->offer(0);
  Totals after = totals();
  // The last burst may still be on its way.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (after.sent + after.dropped < after.count.taken &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    after = totals();
  }
  const PacedCount count = after.count - before.count;
  const double away_seconds =
      static_cast<double>(clock_->away_ticks() - away) / static_cast<double>(rte_get_tsc_hz());
  return {
      static_cast<double>(count.offered) / load.sum(),
      count,
      after.sent - before.sent,
      after.dropped - before.dropped,
      {clock_->absences(), clock_->longest_absence_ms(), away_seconds, clock_->longest_gap_us()}};
}

Outcome PacedRouter::run(const Load& load, double seconds) {
  return run(load, [&] { pass(seconds); });
}

void PacedRouter::pass(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

}  // namespace weft::bench
