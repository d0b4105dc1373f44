#include "io/worker.hpp"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>
#include <unistd.h>

#include <thread>
#include <utility>

namespace weft::io {
namespace {

// What control may be asked to do by one worker: a second's worth and at once, by PuntClass.
constexpr double neighbour_rate = 2000;
constexpr double local_rate = 2000;
constexpr double icmp_error_rate = 1000;
constexpr double liveness_rate = 50000;
constexpr double bucket_burst = 256;
constexpr double trace_rate = 5000;

/// How long a worker may sleep, a second at most, that is to be awake at `tsc`.
int sleep_limit_ms(std::uint64_t tsc, std::uint64_t tsc_hz) {
  constexpr int most = 1000;
  const std::uint64_t now = rte_rdtsc();
  if (tsc <= now) return 0;
  const std::uint64_t per_ms = tsc_hz / 1000;
  return static_cast<int>(std::min<std::uint64_t>(most, (tsc - now + per_ms - 1) / per_ms));
}

}  // namespace

Worker::Worker(const WorkerOptions& options, const Tables& tables, Rcu& rcu)
    : options_(options),
      tables_(tables),
      rcu_(rcu),
      tsc_hz_(rte_get_tsc_hz()),
      trace_bucket_(trace_rate, bucket_burst),
      flows_(*tables.flows, rcu, static_cast<std::uint8_t>(options.number)),
      cutting_{options.pool, Identifications(options.number, options.workers, tables.hash_seed),
               [](void* worker) { static_cast<Worker*>(worker)->empty_exits(); }, this},
      reassembly_(options.reassembly, tsc_hz_, tables.hash_seed, counters_),
      idle_(options.adaptive_idle, tsc_hz_),
      inbox_(options.number, options.workers),
      buckets_{TokenBucket(neighbour_rate, bucket_burst), TokenBucket(local_rate, bucket_burst),
               TokenBucket(icmp_error_rate, bucket_burst),
               TokenBucket(liveness_rate, bucket_burst)} {
  rcu_.register_reader(options_.number);
}

Worker::~Worker() {
  for (const Packet packet : held_.waiting()) rte_pktmbuf_free(packet.mbuf());
  for (auto& queue : punts_.packets) {
    queue.consume_all([](rte_mbuf* mbuf) { rte_pktmbuf_free(mbuf); });
  }
  injected_.packets.consume_all([](const Injected& i) { rte_pktmbuf_free(i.packet); });
  while (!inbox_.empty()) {
    inbox_.take(max_burst, [](std::span<const Handed> handed) {
      for (const Handed& one : handed) rte_pktmbuf_free(one.packet);
    });
  }
  traced_.consume_all([](const TraceRecord* record) { delete record; });
  delete ports_.load();
  delete bfd_.load();
}

void Worker::run() {
  started_tsc_.store(rte_rdtsc(), std::memory_order_relaxed);
  rcu_.online(options_.number);
  while (!stopping_.load(std::memory_order_relaxed)) turn();
  bid_farewell();
  rcu_.offline(options_.number);
}

void Worker::stop() {
  stopping_.store(true, std::memory_order_seq_cst);
  idle_.wake();
}

void Worker::set_ports(const PortView* view) {
  rcu_.retire(ports_.exchange(view, std::memory_order_acq_rel));
  idle_.wake();
}

bool Worker::inject(const Injected& injected) {
  if (!injected_.packets.push(injected)) return false;
  idle_.wake();
  return true;
}

/// One turn: every source once.
void Worker::turn() {
  rcu_.quiescent(options_.number);
  const PortView* view = ports_.load(std::memory_order_acquire);
  observed_ = observers_.load(std::memory_order_acquire);
  const std::uint64_t before = std::exchange(now_, rte_rdtsc());
  if (std::exchange(was_busy_, false)) busy_cycles_.add(now_ - before);
  flows_.begin(now_);
  unsigned work = 0;
  if (held_.size() != 0) work += take_held();  // before those that came after them
  if (view != nullptr) work += receive(*view);
  if (!inbox_.empty()) work += take_handed();
  work += take_injected();
  if (now_ >= beat_tsc_ || bfd_version_.load(std::memory_order_relaxed) != bfd_planned_)
      [[unlikely]]
    beat();
  flows_.tidy(options_.workers, work == 0);
  if (reassembly_.waiting() != 0) reassembly_.expire(now_);
  loops_.add(1);
  if (flows_.denied().take_news() || sent_.take_news()) [[unlikely]]
    signal_control();
  if (observed_ != nullptr && std::exchange(recorded_, false)) [[unlikely]]
    signal_control();
  if (work != 0) {
    idle_.busy();
    busy_loops_.add(1);
    was_busy_ = true;  // its cycles are known when the next turn begins
    return;
  }
  if (!idle_.tired(now_)) return;
  if (view != nullptr && view->number != watched_) {
    watched_ = view->number;
    idle_.watch(view->descriptors, view->all_have_descriptors);
  }
  sleeps_.add(1);
  rcu_.offline(options_.number);
  const bool soon = held_.size() != 0 || flows_.moving() || reassembly_.waiting() != 0;
  idle_.sleep(soon ? 1 : sleep_limit_ms(beat_tsc_, tsc_hz_), [this, view] {
    return injected_.packets.read_available() == 0 && inbox_.empty() &&
           !stopping_.load(std::memory_order_seq_cst) &&
           bfd_version_.load(std::memory_order_seq_cst) == bfd_planned_ &&
           ports_.load(std::memory_order_acquire) == view;
  });
  rcu_.online(options_.number);
}

unsigned Worker::receive(const PortView& view) {
  unsigned total = 0;
  std::array<rte_mbuf*, max_burst> packets;
  for (const PortView::Queue& queue : view.receive) {
    const Ingress ingress = ingress_of(tables_, queue.port);
    if (ingress.vrf == nullptr) continue;  // the port is being set up or taken away
    const std::uint16_t count = rte_eth_rx_burst(queue.device, queue.queue, packets.data(),
                                                 static_cast<std::uint16_t>(options_.burst));
    if (count == 0) continue;
    total += count;
    if (queue.vlans.empty()) [[likely]] {
      take_in(ingress, {packets.data(), count}, queue.for_all);
    } else {
      sort_out(queue, ingress, {packets.data(), count});
    }
  }
  packets_.add(total);
  return total;
}

/// Frames of one port that have just arrived. `for_all`: they are to be handed out.
void Worker::take_in(const Ingress& ingress, std::span<rte_mbuf*> mbufs, bool for_all) {
  std::uint64_t bytes = 0;
  for (const rte_mbuf* mbuf : mbufs) {
    rte_prefetch0(rte_pktmbuf_mtod(mbuf, const void*));
    bytes += mbuf->pkt_len;
  }
  PacketCounter& rx = counters_.rx[ingress.port.index()];
  rx.packets.add(mbufs.size());
  rx.bytes.add(bytes);
  const std::size_t own = for_all ? hand_out(ingress, mbufs) : mbufs.size();
  if (own != 0) arrive(ingress, mbufs.first(own));
}

/// Frames of one port that this worker is to handle.
void Worker::arrive(const Ingress& ingress, std::span<rte_mbuf* const> mbufs) {
  if (observed_ != nullptr && (observed_->arrivals >> ingress.port.index() & 1) != 0) [[unlikely]] {
    return receive_observed(ingress, mbufs);
  }
  run_burst(static_cast<unsigned>(mbufs.size()),
            [&](auto& ctx) { run_received(ctx, burst_, ingress, mbufs); });
}

unsigned Worker::take_injected() {
  unsigned count = 0;
  Injected injected{};
  while (count < max_burst && injected_.packets.pop(injected)) {
    ++count;
    const Packet packet(injected.packet);
    const PacketMetadata& m = packet.metadata();
    if (injected.target == InjectTarget::port) {
      if (!attached(m.out_port)) {
        lose(packet, DropReason::port_missing, m.out_port);
        continue;
      }
      Exits::Departures& queue = exits_.tx[m.out_port.index()];
      queue.add(packet);
      queue.bytes += packet.total_bytes();
      exits_.tx_ports |= 1U << m.out_port.index();
      empty_exits();
      continue;
    }
    PacketContext& p = burst_.add(packet);
    p.end = packet.data() + packet.contiguous_bytes();
    p.bytes = packet.total_bytes();
    p.originated = true;
    p.vrf = tables_.vrfs.get(m.vrf);
    if (injected.target == InjectTarget::routed) {
      p.l3 = packet.data();
      if (p.vrf != nullptr) {
        run_burst(Entry::parse);
        continue;
      }
      burst_.count = 0;
      lose(packet, DropReason::vrf_missing, {}, packet.data());
    } else {
      p.l2 = packet.data();
      p.nexthop = tables_.nexthops.get(m.nexthop);
      if (p.nexthop != nullptr && p.nexthop->kind == NexthopKind::tunnel) {
        p.adjacency = tables_.adjacencies.get(p.nexthop->adjacency);
        if (p.adjacency != nullptr && p.adjacency->buckets != 0) {
          p.adjacency = p.adjacency->way(tables_.adjacencies, 0);
        }
      }
      if (p.adjacency != nullptr) {
        run_burst(Entry::encap);
        continue;
      }
      burst_.count = 0;
      lose(packet, DropReason::nexthop_missing, {});
    }
  }
  return count;
}

/// Looks after the waiting packets when tables changed, else once a millisecond.
unsigned Worker::take_held() {
  const Generation generation = tables_.generation.load(std::memory_order_acquire);
  if (generation == held_generation_ && now_ < held_check_) return 0;
  held_generation_ = generation;
  held_check_ = now_ + tsc_hz_ / 1000;
  const auto released = held_.take(tables_, now_);
  for (const auto& [packet, fate] : released) {
    PacketMetadata& m = packet.metadata();
    PacketContext& p = burst_.add(packet);
    p.end = packet.data() + packet.contiguous_bytes();
    p.bytes = packet.total_bytes();
    p.vrf = tables_.vrfs.get(m.vrf);
    const Ingress from = ingress_of_held(tables_, m);
    p.in = &from;
    p.care = from.care;
    p.decap = m.decap;
    const VifEntry* vif = m.vif.valid() ? tables_.vifs.get(m.vif) : nullptr;
    p.originated = !m.port.valid() || (vif != nullptr && vif->host);
    p.l3 = packet.data() + m.l3_offset;
    p.v4 = *p.l3 >> 4 == 4;
    p.bytes -= m.l3_offset;
    switch (fate) {
      case HoldQueue::Fate::output:
        p.adjacency = tables_.adjacencies.get(m.adjacency);
        p.l3_bytes = static_cast<std::uint16_t>(p.bytes);
        run_burst(Entry::output);
        break;
      case HoldQueue::Fate::resolve:
        if (p.vrf != nullptr) {
          run_burst(Entry::parse);
          break;
        }
        [[fallthrough]];
      default: {
        // The sender hears of it where the packet is still its own, not yet in a tunnel.
        burst_.count = 0;
        m.reason = fate == HoldQueue::Fate::port_gone      ? DropReason::port_missing
                   : fate == HoldQueue::Fate::nexthop_gone ? DropReason::nexthop_missing
                                                           : DropReason::neighbour_unresolved;
        if (m.reason != DropReason::neighbour_unresolved || m.adjacency.valid()) {
          lose(packet, m.reason, m.port, p.l3);
          break;
        }
        if (captures_drops()) [[unlikely]]
          capture_lost(packet, m.reason, m.port, p.l3);
        counters_.drop(m.reason);
        m.kind = PuntClass::icmp_error;
        punt(packet);
      }
    }
  }
  held_count_.store(static_cast<std::uint32_t>(held_.size()), std::memory_order_relaxed);
  return static_cast<unsigned>(released.size());
}

void Worker::run_burst(Entry entry) {
  run_burst(burst_.count, [&](auto& ctx) { run_pipeline(ctx, burst_, entry); });
}

/// Whether it is still the port that control meant, not another one under its index.
bool Worker::attached(PortId port) const {
  const PortView* view = ports_.load(std::memory_order_acquire);
  const AttachedPort* there =
      view != nullptr && port.index() < max_ports ? view->ports[port.index()] : nullptr;
  return there != nullptr && there->id() == port;
}

void Worker::empty_exits() {
  for (std::uint32_t ports = exits_.tx_ports; ports != 0; ports &= ports - 1) {
    const auto port = static_cast<std::uint32_t>(__builtin_ctz(ports));
    transmit(port, exits_.tx[port]);
  }
  exits_.tx_ports = 0;
  for (unsigned i = 0; i < exits_.dropped.count; ++i) {
    rte_pktmbuf_free(exits_.dropped.packets[i]);
  }
  exits_.dropped.count = 0;
  for (unsigned i = 0; i < exits_.punted.count; ++i) punt(Packet(exits_.punted.packets[i]));
  exits_.punted.count = 0;
  for (unsigned i = 0; i < exits_.held.count; ++i) hold(Packet(exits_.held.packets[i]));
  exits_.held.count = 0;
  exits_.more = 0;
}

void Worker::transmit(std::uint32_t index, Exits::Departures& list) {
  rte_mbuf** const packets = list.packets.data();
  unsigned count = std::exchange(list.count, 0);
  std::uint64_t bytes = std::exchange(list.bytes, 0);
  const PortView* view = ports_.load(std::memory_order_acquire);
  const AttachedPort* port = view != nullptr ? view->ports[index] : nullptr;
  std::uint32_t tag_bytes = 0;  // the port's counters leave it out
  if (port != nullptr && port->vlan() != 0) [[unlikely]] {
    tag_bytes = sizeof(wire::VlanTag);
    count = put_tags(*port, {packets, count}, bytes);
  }
  const bool observed = observed_ != nullptr && (observed_->departures >> index & 1) != 0;
  if (observed) [[unlikely]] {  // they live on to be copied once they are sent
    for (unsigned i = 0; i < count; ++i) rte_mbuf_refcnt_update(packets[i], 1);
  }
  const unsigned sent = port != nullptr ? send(port->device(), {packets, count}) : 0;
  if (observed) [[unlikely]] {
    capture_sent(port != nullptr ? port->id() : PortId(index), {packets, sent});
    rte_pktmbuf_free_bulk(packets, count);
  }
  for (unsigned i = sent; i < count; ++i) {
    bytes -= packets[i]->pkt_len - tag_bytes;
    lose(Packet(packets[i]), port != nullptr ? DropReason::tx_queue_full : DropReason::port_missing,
         PortId(index));
  }
  counters_.tx[index].packets.add(sent);
  counters_.tx[index].bytes.add(bytes);
}

unsigned Worker::send(AttachedDevice& device, std::span<rte_mbuf*> mbufs) {
  constexpr unsigned patience = 4;
  std::size_t sent = 0;
  for (unsigned tries = 0; sent < mbufs.size() && tries < patience; ++tries) {
    sent += device.transmit(options_.number, mbufs.data() + sent,
                            static_cast<std::uint16_t>(mbufs.size() - sent));
  }
  return static_cast<unsigned>(sent);
}

void Worker::lose(Packet packet, DropReason reason, PortId port, const std::uint8_t* l3) {
  if (captures_drops()) [[unlikely]]
    capture_lost(packet, reason, port, l3);
  counters_.drop(reason);
  rte_pktmbuf_free(packet.mbuf());
}

void Worker::punt(Packet packet) {
  const PacketMetadata& m = packet.metadata();
  const auto kind = static_cast<std::size_t>(m.kind);
  const bool taken = buckets_[kind].take(now_, tsc_hz_);
  if (taken && m.kind == PuntClass::liveness) {
    counters_.punts_accepted[kind].add(1);
    return hear_bfd(packet);
  }
  if (taken && punts_.packets[kind].push(packet.mbuf())) {
    counters_.punts_accepted[kind].add(1);
    signal_control();
    return;
  }
  counters_.punts_limited[kind].add(1);
  // What icmp_error tells of is counted under its own reason already.
  if (m.kind == PuntClass::icmp_error) return rte_pktmbuf_free(packet.mbuf());
  lose(packet,
       m.kind == PuntClass::neighbour  ? DropReason::punt_neighbour_limited
       : m.kind == PuntClass::liveness ? DropReason::punt_liveness_limited
                                       : DropReason::punt_local_limited,
       m.port, m.l3_offset == 0 ? packet.data() : nullptr);
}

void Worker::hold(Packet packet) {
  const NeighbourNeeded event{packet.metadata().out_port, packet.metadata().neighbour};
  bool first = false;
  if (!held_.add(packet, now_, tsc_hz_, first)) {
    const PacketMetadata& m = packet.metadata();
    lose(packet, DropReason::hold_queue_full, m.port, packet.data() + m.l3_offset);
  }
  if (first && punts_.neighbours.push(event)) signal_control();
  held_count_.store(static_cast<std::uint32_t>(held_.size()), std::memory_order_relaxed);
}

void Worker::signal_control() {
  const std::uint64_t one = 1;
  (void)!write(options_.event_fd, &one, sizeof one);
}

WorkerStatus Worker::status() const {
  WorkerStatus status;
  status.lcore = options_.cpu;
  status.loops = loops_.get();
  status.busy_loops = busy_loops_.get();
  status.packets = packets_.get();
  status.busy_cycles = busy_cycles_.get();
  const std::uint64_t started = started_tsc_.load(std::memory_order_relaxed);
  status.total_cycles = started == 0 ? 0 : rte_rdtsc() - started;
  status.sleeps = sleeps_.get();
  status.handed_off = handed_off_.get();
  status.taken_over = taken_over_.get();
  status.held_packets = held_count_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < clocks_.size(); ++i) {
    status.stages.push_back({stage_names[i], clocks_[i].packets.get(), clocks_[i].cycles.get()});
  }
  return status;
}

}  // namespace weft::io
