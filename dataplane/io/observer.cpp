#include "io/observer.hpp"

#include <bit>

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <ctime>

#include "io/vlan.hpp"

namespace weft::io {
namespace {

/// Of each worker's ring; a capture that is read as fast as it is written needs little.
constexpr std::size_t ring_bytes = 4 << 20;
constexpr std::uint32_t snap_bytes_max = 65535;

}  // namespace

TscClock::TscClock()
    : base_tsc_(rte_rdtsc()), ns_per_tick_(1e9 / static_cast<double>(rte_get_tsc_hz())) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  base_ns_ = static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
             static_cast<std::uint64_t>(now.tv_nsec);
}

void FrameView::copy(std::uint8_t* to, std::uint32_t bytes) const {
  const std::uint32_t first = std::min(bytes, contiguous_bytes);
  std::memcpy(to, data, first);
  if (bytes == first || mbuf == nullptr) return;
  const void* rest = rte_pktmbuf_read(mbuf, first, bytes - first, to + first);
  if (rest != nullptr && rest != to + first) std::memcpy(to + first, rest, bytes - first);
}

bool Observer::take_packet() {
  return wants_more() && packets_left.fetch_sub(1, std::memory_order_relaxed) > 0;
}

void Observer::record(unsigned worker, std::uint64_t tsc, CapturePoint point, PortId port,
                      DropReason why, const FrameView& frame) {
  taken.fetch_add(1, std::memory_order_relaxed);
  const std::uint32_t available =
      frame.mbuf == nullptr ? frame.contiguous_bytes : frame.total_bytes;
  const std::uint32_t bytes = std::min(available, snap_bytes);
  RecordRing& ring = *rings[worker];
  std::uint8_t* at = ring.claim(sizeof(CaptureRecord) + bytes);
  if (at == nullptr) {
    lost.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const CaptureRecord record{clock.ns(tsc), port, frame.total_bytes, point, why};
  std::memcpy(at, &record, sizeof record);
  frame.copy(at + sizeof record, bytes);
  ring.publish();
}

Result<std::unique_ptr<Observer>> Observers::make(const std::vector<PortId>& ports,
                                                  const PacketFilter& filter,
                                                  std::uint32_t attached) {
  if (observers_.size() >= max_observers) {
    return Error{
        fmt::format("{} traces and captures run already; end one of them first", max_observers)};
  }
  auto observer = std::make_unique<Observer>();
  if (!ports.empty()) observer->ports = 0;
  for (const PortId port : ports) {
    if (port.index() >= max_ports || (attached >> port.index() & 1) == 0) {
      return Error{fmt::format("no port has the id {}", port.index())};
    }
    observer->ports |= 1U << port.index();
  }
  for (const std::uint64_t word : filter.instructions) {
    observer->filter.push_back({static_cast<u_short>(word), static_cast<u_char>(word >> 16),
                                static_cast<u_char>(word >> 24),
                                static_cast<bpf_u_int32>(word >> 32)});
  }
  if (!observer->filter.empty() &&
      bpf_validate(observer->filter.data(), static_cast<int>(observer->filter.size())) == 0) {
    return Error{"the packet filter is not a BPF program"};
  }
  return observer;
}

ObserverId Observers::keep(std::unique_ptr<Observer> observer) {
  observer->id = ObserverId(next_++ % (ObserverId::max_index + 1));
  observers_.push_back(std::move(observer));
  return observers_.back()->id;
}

Result<ObserverId> Observers::add(const TraceRequest& request, std::uint32_t attached) {
  auto observer = make(request.ports, request.filter, attached);
  if (!observer) return observer.error();
  (*observer)->packets_left = request.packets;
  return keep(std::move(*observer));
}

Result<ObserverId> Observers::add(const CaptureRequest& request, std::uint32_t attached) {
  auto made = make(request.ports, request.filter, attached);
  if (!made) return made.error();
  Observer& observer = **made;
  observer.in = request.in;
  observer.out = request.out;
  observer.dropped = request.dropped;
  observer.reason = request.reason;
  observer.snap_bytes = std::min(request.snap_bytes, snap_bytes_max);
  for (unsigned i = 0; i < workers_; ++i) {
    observer.rings.push_back(std::make_unique<RecordRing>(ring_bytes));
  }
  return keep(std::move(*made));
}

std::unique_ptr<Observer> Observers::remove(ObserverId id) {
  const auto found = std::find_if(observers_.begin(), observers_.end(),
                                  [id](const auto& o) { return o->id == id; });
  if (found == observers_.end()) return nullptr;
  auto observer = std::move(*found);
  observers_.erase(found);
  return observer;
}

void Observers::forget_port(std::uint16_t index) {
  for (const auto& observer : observers_) {
    if (observer->ports != Observer::all_ports) observer->ports &= ~(1U << index);
  }
}

Observer* Observers::find(ObserverId id) const {
  for (const auto& observer : observers_) {
    if (observer->id == id) return observer.get();
  }
  return nullptr;
}

ObserverStatus Observers::status(ObserverId id) const {
  const Observer* observer = find(id);
  if (observer == nullptr) return {};
  return {observer->taken.load(std::memory_order_relaxed),
          observer->lost.load(std::memory_order_relaxed)};
}

std::vector<ObserverId> Observers::ids() const {
  std::vector<ObserverId> all;
  for (const auto& observer : observers_) all.push_back(observer->id);
  return all;
}

std::unique_ptr<ObserverSet> Observers::make_set() const {
  if (observers_.empty()) return nullptr;
  auto set = std::make_unique<ObserverSet>();
  for (const auto& observer : observers_) {
    if (observer->rings.empty()) {
      set->traces.push_back(observer.get());
      set->arrivals |= observer->ports;
      continue;
    }
    set->captures.push_back(observer.get());
    if (observer->in || observer->dropped) set->arrivals |= observer->ports;
    if (observer->out) set->departures |= observer->ports;
    if (observer->dropped) {
      set->drops = true;
      set->drop_snap_bytes = std::max(set->drop_snap_bytes, observer->snap_bytes);
    }
  }
  const std::size_t burst_bytes = std::size_t{set->drop_snap_bytes} * max_burst;
  set->bursts.assign(workers_, std::vector<std::uint8_t>(burst_bytes));
  return set;
}

void note_tag_taken(const rte_mbuf* mbuf, ExplainReport& report) {
  if (!is_untagged_from(mbuf)) return;
  const unsigned vlan = wire::VlanTag::identifier_in(mbuf->vlan_tci);
  report.steps.push_back({.stage = "input", .text = fmt::format("VLAN {}", vlan)});
}

void note_tag_put(std::uint16_t vlan, ExplainReport& report) {
  if (vlan == 0 || report.verdict != "transmit") return;
  report.steps.push_back({.stage = "transmit", .text = fmt::format("VLAN {}", vlan)});
  auto& frame = report.frame;
  frame.insert(frame.begin(), sizeof(wire::VlanTag), 0);
  wire::put_vlan_tag(frame.data() + sizeof(wire::VlanTag), vlan);
}

void conclude(const Exits& exits, DropReason reason, PortId way_out, ExplainReport& report) {
  report.reason = reason;
  if (exits.tx_ports != 0) {
    // Not always the packet that arrived: the last of several pieces completes the first.
    const auto port = static_cast<std::size_t>(std::countr_zero(exits.tx_ports));
    const auto bytes = Packet(exits.tx[port].packets[0]).contiguous();
    report.verdict = "transmit";
    report.port = way_out;
    report.frame.assign(bytes.begin(), bytes.end());
  } else if (exits.held.count != 0) {
    report.verdict = "hold";
  } else if (exits.punted.count != 0 && reason == DropReason::none) {
    report.verdict = "punt";
  } else if (reason == DropReason::none) {
    report.verdict = "keep";
  } else {
    report.verdict = "drop";
  }
}

}  // namespace weft::io
