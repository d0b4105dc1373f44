#include "io/router.hpp"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_mempool.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "policy/compiled_policy.hpp"

namespace weft::io {
namespace {

/// Of each kind and worker, so that control stays responsive.
constexpr std::size_t events_at_once = 256;
constexpr std::size_t capture_bytes_at_once = 256 << 10;

tunnel::HashSeed secret_seed() {
  tunnel::HashSeed seed;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
    seed.first ^= rte_rdtsc();
    seed.second ^= static_cast<std::uint64_t>(getpid()) << 32;
  }
  return seed;
}

/// The flow tables lie on hugepages where there are enough of them beside what DPDK may take.
Pages flow_pages(const Eal& eal, const FlowSettings& flows) {
  return eal.spare_hugepage_bytes() >= FlowTables::hugepage_bytes_for(flows) ? Pages::reserved
                                                                             : Pages::transparent;
}

int run_worker(void* worker) {
  static_cast<Worker*>(worker)->run();
  return 0;
}

}  // namespace

Result<std::unique_ptr<Router>> Router::start(const RouterOptions& options) {
  auto eal = Eal::start(options.eal);
  if (!eal) return eal.error();
  std::unique_ptr<Router> router(new Router(std::move(*eal), options));
  for (std::size_t i = 0; i < router->workers_.size(); ++i) {
    const unsigned lcore = router->eal_->worker_lcores()[i];
    if (rte_eal_remote_launch(run_worker, router->workers_[i].get(), lcore) != 0) {
      return Error{fmt::format("worker {} does not start on lcore {}", i, lcore)};
    }
  }
  return router;
}

Router::Router(std::unique_ptr<Eal> eal, const RouterOptions& options)
    : options_(options),
      eal_(std::move(eal)),
      rcu_(static_cast<unsigned>(options.eal.worker_cpus.size()) + 1),
      state_(rcu_, secret_seed(), options.flows, rte_get_tsc_hz(),
             flow_pages(*eal_, options.flows)),
      flow_hands_(*state_.tables().flows, rcu_,
                  static_cast<std::uint8_t>(options.eal.worker_cpus.size())),
      flow_view_(*state_.tables().flows, flow_hands_, rcu_,
                 static_cast<unsigned>(options.eal.worker_cpus.size())),
      event_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      observers_(static_cast<unsigned>(options.eal.worker_cpus.size())),
      bfd_(static_cast<unsigned>(options.eal.worker_cpus.size())) {
  for (unsigned i = 0; i < options.eal.worker_cpus.size(); ++i) {
    workers_.push_back(std::make_unique<Worker>(
        WorkerOptions{.number = i,
                      .workers = static_cast<unsigned>(options.eal.worker_cpus.size()),
                      .cpu = options.eal.worker_cpus[i],
                      .burst = options.burst,
                      .adaptive_idle = options.adaptive_idle,
                      .event_fd = event_fd_,
                      .pool = eal_->pool(),
                      .reassembly = options.reassembly},
        state_.tables(), rcu_));
  }
  for (const auto& worker : workers_) worker->set_peers(workers_);
}

Router::~Router() {
  for (auto& worker : workers_) worker->stop();
  rte_eal_mp_wait_lcore();
  ports_.clear();
  workers_.clear();
  close(event_fd_);
}

Result<std::shared_ptr<const CompiledPolicy>> Router::compile(const Policy& policy) const {
  auto made = weft::compile(policy, fmt::format("policy{}", compiled_.fetch_add(1)));
  if (!made) return made.error();
  return std::shared_ptr<const CompiledPolicy>(std::move(*made));
}

Result<BfdId> Router::start_bfd(const BfdRequest& request) {
  auto id = bfd_.add(request, workers_.front()->bfd_now());
  if (id) publish_bfd();
  return id;
}

void Router::stop_bfd(BfdId id) {
  bfd_.end(id);
  publish_bfd();
}

/// Workers look at their sessions when the list is another one.
void Router::publish_bfd() {
  for (const auto& worker : workers_) worker->set_bfd(bfd_.make_list().release());
}

Packet Router::make_packet(std::span<const std::uint8_t> bytes) const {
  rte_mbuf* mbuf = rte_pktmbuf_alloc(eal_->pool());
  if (mbuf == nullptr) return Packet();
  char* at = rte_pktmbuf_append(mbuf, static_cast<std::uint16_t>(bytes.size()));
  if (at == nullptr) {
    rte_pktmbuf_free(mbuf);
    return Packet();
  }
  std::memcpy(at, bytes.data(), bytes.size());
  Packet packet(mbuf);
  packet.metadata() = PacketMetadata{};
  return packet;
}

bool Router::inject(const Injection& injection) {
  const Packet packet =
      injection.frame.size() <= options_.eal.buffer_bytes ? make_packet(injection.frame) : Packet();
  if (packet.mbuf() == nullptr) {
    control_counters_.drop(DropReason::buffer_exhausted);
    return false;
  }
  PacketMetadata& m = packet.metadata();
  Injected injected{packet.mbuf(), InjectTarget::routed};
  if (const auto* to_port = std::get_if<Injection::ToPort>(&injection.target)) {
    m.out_port = to_port->port;
    injected.target = InjectTarget::port;
  } else if (const auto* routed = std::get_if<Injection::Routed>(&injection.target)) {
    m.vrf = routed->vrf;
  } else {
    m.nexthop = std::get<Injection::IntoTunnel>(injection.target).nexthop;
    injected.target = InjectTarget::tunnel;
  }
  if (workers_.front()->inject(injected)) return true;
  rte_pktmbuf_free(packet.mbuf());
  control_counters_.drop(DropReason::inject_queue_full);
  return false;
}

/// Runs the stages that forward on a copy of the packet. Nothing leaves: the exits are only looked
/// at, and the counters are thrown away.
ExplainReport Router::explain(const ExplainRequest& request) {
  ExplainReport report;
  const Packet packet =
      request.frame.size() <= options_.eal.buffer_bytes ? make_packet(request.frame) : Packet();
  if (packet.mbuf() == nullptr) {
    report.verdict = "drop";
    report.reason = DropReason::buffer_exhausted;
    return report;
  }
  auto counters = std::make_unique<WorkerCounters>();
  auto exits = std::make_unique<Exits>();
  auto burst = std::make_unique<Burst>();
  StageContext<RecordTracer> ctx{state_.tables(), *counters, *exits, {.steps = &report.steps}};
  rte_mbuf* const received[] = {packet.mbuf()};
  const Ingress ingress = ingress_of_frame(request.port, received[0]);
  if (ingress.vrf == nullptr) {
    report.verdict = "drop";
    report.reason = DropReason::port_missing;
  } else {
    note_tag_taken(received[0], report);
    flow_view_.hold([&] { run_received(ctx, *burst, ingress, received); });
  }
  for (std::size_t i = 1; i < drop_reason_count; ++i) {
    if (counters->drops[i].get() != 0) report.reason = static_cast<DropReason>(i);
  }
  conclude(*exits, report.reason, ctx.tracer.way_out, report);
  note_tag_put(vlan_of(report.port), report);
  rte_pktmbuf_free(packet.mbuf());
  return report;
}

Result<ObserverId> Router::start_trace(const TraceRequest& request) {
  return started(observers_.add(request, port_bits()));
}

Result<ObserverId> Router::start_capture(const CaptureRequest& request) {
  return started(observers_.add(request, port_bits()));
}

Result<ObserverId> Router::started(Result<ObserverId> id) {
  if (id) publish_observers();
  return id;
}

ObserverStatus Router::stop_observer(ObserverId id) {
  auto observer = observers_.remove(id);
  if (!observer) return {};
  publish_observers();
  rcu_.retire(observer.get());
  const Observer& last = *observer.release();
  return {last.taken.load(std::memory_order_relaxed), last.lost.load(std::memory_order_relaxed)};
}

void Router::publish_observers() {
  auto set = observers_.make_set();
  for (const auto& worker : workers_) worker->set_observers(set.get());
  rcu_.retire(observer_set_.release());
  observer_set_ = std::move(set);
}

std::uint32_t Router::port_bits() const {
  std::uint32_t bits = 0;
  for (const auto& port : ports_) bits |= 1U << port->index();
  return bits;
}

/// Since the start, of all ports that ever had the index.
PortCounters Router::port_totals(std::uint16_t index) const {
  PortCounters totals;
  for (const auto& worker : workers_) {
    const WorkerCounters& c = worker->counters();
    totals.rx += c.rx[index].get();
    totals.tx += c.tx[index].get();
    totals.unfinished_checksums += c.unfinished_checksums[index].get();
  }
  return totals;
}

CountersSnapshot Router::counters() const {
  CountersSnapshot all;
  all.buffers = {rte_mempool_in_use_count(eal_->pool()), eal_->pool()->size};
  const auto add = [&all](const WorkerCounters& c) {
    for (std::size_t i = 0; i < drop_reason_count; ++i) all.drops[i] += c.drops[i].get();
    for (std::size_t i = 0; i < punt_class_count; ++i) {
      all.punts[i].accepted += c.punts_accepted[i].get();
      all.punts[i].limited += c.punts_limited[i].get();
    }
    for (std::size_t i = 0; i < size_event_count; ++i) all.sizes[i] += c.sizes[i].get();
  };
  add(control_counters_);
  for (const auto& worker : workers_) {
    add(worker->counters());
    all.workers.push_back(worker->status());
  }
  for (const auto& port : ports_) {
    PortCounters counters = port_totals(port->index());
    counters.port = port->id();
    const PortCounters& before = counters_before_[port->index()];
    counters.rx -= before.rx;
    counters.tx -= before.tx;
    counters.unfinished_checksums -= before.unfinished_checksums;
    all.ports.push_back(counters);
  }
  // What a device has lost nobody has looked at: it counts at the first of its ports.
  for (const auto& ports : by_device()) {
    const AttachedDevice& device = ports.front()->device();
    const auto first = std::ranges::find(all.ports, ports.front()->id(), &PortCounters::port);
    first->rx_no_buffer = device.lost_for_buffers();
    all.drops[static_cast<std::size_t>(DropReason::buffer_exhausted)] += first->rx_no_buffer;
    for (unsigned queue = 0; queue < device.queues(); ++queue) {
      all.workers[poller_of(device, queue)].queues.push_back(
          fmt::format("{}/{}", ports.front()->request().name, queue));
    }
  }
  return all;
}

PacketCount Router::nexthop_counters(NexthopId id) const {
  PacketCount sum;
  if (id.index() >= max_objects) return sum;
  for (const auto& worker : workers_) sum += worker->counters().nexthops[id.index()].get();
  return sum;
}

PacketCount Router::decap_counters(DecapId id) const {
  PacketCount sum;
  if (id.index() >= max_objects) return sum;
  for (const auto& worker : workers_) sum += worker->counters().decaps[id.index()].get();
  return sum;
}

TableSizes Router::table_sizes() const {
  TableSizes sizes = state_.sizes();
  sizes.deferred += flow_hands_.waiting() + bfd_.ending();
  return sizes;
}

std::vector<FlowRecord> Router::flows(const FlowFilter& filter, FlowCursor& cursor,
                                      std::size_t count) {
  return flow_view_.flows(filter, cursor, count, rte_rdtsc());
}

std::size_t Router::clear_flows(const FlowFilter& filter, FlowCursor& cursor, std::size_t count) {
  return flow_view_.clear(filter, cursor, count, rte_rdtsc());
}

FlowCounters Router::flow_counters(IpFamily family) const {
  std::vector<const FlowHands*> workers;
  for (const auto& worker : workers_) workers.push_back(&worker->flows());
  return flow_view_.counters(family, workers);
}

bool Router::drain_traces(Worker& worker, EventSink& sink) const {
  TraceRecord* next = nullptr;
  for (std::size_t i = 0; i < events_at_once && worker.traced().pop(next); ++i) {
    const std::unique_ptr<const TraceRecord> record(next);
    for (const ObserverId id : record->traces) {
      if (observers_.find(id) == nullptr) continue;
      sink.on_trace({id, record->time_ns, worker.cpu(), record->port, record->report});
    }
  }
  return worker.traced().read_available() != 0;
}

/// The sink may stop the capture; its memory stays until reclaim().
bool Router::drain_capture(ObserverId id, EventSink& sink) const {
  bool more = false;
  for (std::size_t worker = 0; worker < workers_.size(); ++worker) {
    std::size_t copied = 0;
    for (std::size_t i = 0; i < events_at_once && copied < capture_bytes_at_once; ++i) {
      const Observer* observer = observers_.find(id);
      if (observer == nullptr || observer->rings.empty()) return false;
      RecordRing& ring = *observer->rings[worker];
      const auto bytes = ring.front();
      if (bytes.empty()) break;
      CaptureRecord record;
      std::memcpy(&record, bytes.data(), sizeof record);
      sink.on_capture({id, record.time_ns, record.port, record.point, record.reason,
                       record.frame_bytes, bytes.subspan(sizeof record)});
      copied += bytes.size();
      ring.pop();
    }
    const Observer* observer = observers_.find(id);
    more |= observer != nullptr && !observer->rings[worker]->empty();
  }
  return more;
}

void Router::drain_events(EventSink& sink) {
  std::uint64_t count = 0;
  (void)!read(event_fd_, &count, sizeof count);
  bool more = false;
  for (const auto& worker : workers_) {
    PuntChannel& punts = worker->punts();
    NeighbourNeeded needed;
    for (std::size_t i = 0; i < events_at_once && punts.neighbours.pop(needed); ++i) {
      sink.on_neighbour_needed(needed);
    }
    DeniedPacket denied;
    while (worker->denied().pop(denied)) sink.on_denied(denied);  // a few a second at most
    SentLog::Record sent;
    for (std::size_t i = 0; i < events_at_once && worker->sent().pop(sent); ++i) {
      sink.on_sent({sent.tunnel, sent.bytes, std::span(sent.start).first(sent.kept)});
    }
    for (auto& queue : punts.packets) {
      rte_mbuf* mbuf = nullptr;
      for (std::size_t i = 0; i < events_at_once && queue.pop(mbuf); ++i) {
        const Packet packet(mbuf);
        const PacketMetadata& m = packet.metadata();
        sink.on_punt({.kind = m.kind,
                      .reason = m.reason,
                      .vrf = m.vrf,
                      .vif = m.vif,
                      .port = m.decap.valid() ? PortId{} : m.port,
                      .decap = m.decap,
                      .mtu_bytes = m.mtu_bytes,
                      .l3_offset = m.l3_offset,
                      .frame = packet.contiguous()});
        rte_pktmbuf_free(mbuf);
      }
      more |= queue.read_available() != 0;
    }
    more |= punts.neighbours.read_available() != 0;
    if (worker->take_bfd_news()) {
      for (const BfdStatus& status : bfd_.statuses()) sink.on_bfd(status);
    }
    more |= drain_traces(*worker, sink);
  }
  for (const ObserverId id : observers_.ids()) more |= drain_capture(id, sink);
  if (more) {
    const std::uint64_t one = 1;
    (void)!write(event_fd_, &one, sizeof one);
  }
}

}  // namespace weft::io
