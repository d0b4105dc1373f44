/// A worker while somebody traces or captures.
#include <rte_cycles.h>

#include <algorithm>
#include <cstring>

#include "io/worker.hpp"
#include "wire/ethernet.hpp"

namespace weft::io {

/// As arrive() does with a burst, but those that a trace takes go through the stages alone and
/// are recorded. Packets keep their order.
void Worker::receive_observed(const Ingress& ingress, std::span<rte_mbuf* const> mbufs) {
  const std::uint64_t tsc = rte_rdtsc();
  std::array<rte_mbuf*, max_burst> waiting;
  unsigned count = 0;
  const auto run_waiting = [&] {
    if (count == 0) return;
    run_burst(count, [&](auto& ctx) {
      run_received(ctx, burst_, ingress, {waiting.data(), count});
    });
    count = arrivals_kept_ = 0;
  };
  for (rte_mbuf* mbuf : mbufs) {
    std::vector<ObserverId> traces;
    std::uint64_t time_ns = 0;
    {
      const AsOnWire whole(mbuf);
      const FrameView frame = FrameView::of(mbuf);
      capture_arrived(ingress.port, frame, tsc);
      for (Observer* trace : observed_->traces) {
        if (trace->wants_more() && trace->at_port(ingress.port) && trace->matches(frame) &&
            may_trace(*trace)) {
          traces.push_back(trace->id);
          time_ns = trace->clock.ns(tsc);
        }
      }
      if (!traces.empty()) run_waiting();
      if (observed_->drops) keep_arrival(frame);
    }
    if (traces.empty()) {
      waiting[count++] = mbuf;
    } else {
      follow(ingress, mbuf, std::move(traces), time_ns);
      arrivals_kept_ = 0;
    }
  }
  run_waiting();
}

void Worker::capture_arrived(PortId port, const FrameView& frame, std::uint64_t tsc) {
  for (Observer* capture : observed_->captures) {
    if (capture->in && capture->at_port(port) && capture->matches(frame)) {
      record(*capture, tsc, CapturePoint::in, port, DropReason::none, frame);
    }
  }
}

/// Bounded in rate and by the queue, so that what is traced does not slow the rest.
bool Worker::may_trace(Observer& trace) {
  if (traced_.write_available() == 0 || !trace_bucket_.take(now_, tsc_hz_)) {
    trace.taken.fetch_add(1, std::memory_order_relaxed);
    trace.lost.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  if (!trace.take_packet()) return false;
  trace.taken.fetch_add(1, std::memory_order_relaxed);
  return true;
}

/// One packet, with the tracer that records.
void Worker::follow(const Ingress& ingress, rte_mbuf* mbuf, std::vector<ObserverId> traces,
                    std::uint64_t time_ns) {
  auto trace = std::make_unique<TraceRecord>();
  trace->traces = std::move(traces);
  trace->time_ns = time_ns;
  trace->port = ingress.port;
  note_tag_taken(mbuf, trace->report);
  auto ctx = context(RecordTracer{.steps = &trace->report.steps});
  run_received(ctx, burst_, ingress, {&mbuf, 1});
  const DropReason reason = ctx.tracer.reason;
  conclude(exits_, reason, ctx.tracer.way_out, trace->report);
  note_tag_put(vlan_of(trace->report.port), trace->report);
  if (observed_->drops && reason != DropReason::none) {
    capture_drop(reason, ingress.port,
                 {nullptr, arrival(0), arrivals_[0].kept_bytes, arrivals_[0].frame_bytes});
  }
  if (traced_.push(trace.get())) {
    trace.release();  // it is the queue's now
    recorded_ = true;
  }
  empty_exits();
}

std::uint16_t Worker::vlan_of(PortId port) const {
  return attached(port) ? ports_.load(std::memory_order_acquire)->ports[port.index()]->vlan()
                        : std::uint16_t{0};
}

void Worker::record(Observer& capture, std::uint64_t tsc, CapturePoint point, PortId port,
                    DropReason reason, const FrameView& frame) {
  capture.record(options_.number, tsc, point, port, reason, frame);
  recorded_ = true;
}

/// The frame as it arrived; the stages change it on its way.
void Worker::keep_arrival(const FrameView& frame) {
  const std::uint32_t kept = std::min(frame.total_bytes, observed_->drop_snap_bytes);
  frame.copy(arrival(arrivals_kept_), kept);
  arrivals_[arrivals_kept_++] = {frame.mbuf, frame.total_bytes, kept};
}

std::uint8_t* Worker::arrival(unsigned place) const {
  auto& bytes = observed_->bursts[options_.number];
  return &bytes[std::size_t{place} * observed_->drop_snap_bytes];
}

/// What a stage has just dropped: as it arrived, else (a packet of the router's own, or from a port
/// that nobody looks at) as it is.
void Worker::capture_dropped(const PacketContext& p) {
  for (unsigned i = 0; i < arrivals_kept_; ++i) {
    const Arrival& a = arrivals_[i];
    if (a.mbuf != p.packet.mbuf()) continue;
    return capture_drop(p.reason, p.in->port, {nullptr, arrival(i), a.kept_bytes, a.frame_bytes});
  }
  capture_lost(p.packet, p.reason, p.in->port, p.l2 == nullptr ? p.l3 : nullptr);
}

void Worker::capture_drop(DropReason reason, PortId port, const FrameView& frame) {
  const std::uint64_t tsc = rte_rdtsc();
  for (Observer* capture : observed_->captures) {
    if (capture->dropped && capture->at_port(port) && capture->matches(frame) &&
        (capture->reason == DropReason::none || capture->reason == reason)) {
      record(*capture, tsc, CapturePoint::dropped, port, reason, frame);
    }
  }
}

/// A packet of the router's own, or one that dies outside of the stages, as it is now. Where `l3`
/// is given it was held, and there is no Ethernet header in front of it yet: it gets one without
/// addresses.
void Worker::capture_lost(Packet packet, DropReason reason, PortId port, const std::uint8_t* l3) {
  if (l3 == nullptr) return capture_drop(reason, port, FrameView::of(packet.mbuf()));
  const std::uint8_t* end = packet.data() + packet.contiguous_bytes();
  if (l3 >= end) return;
  wire::Ethernet ethernet{};
  ethernet.ether_type = packet.metadata().ether_type;
  if (ethernet.ether_type.get() == 0) {
    ethernet.ether_type =
        static_cast<std::uint16_t>(*l3 >> 4 == 6 ? wire::EtherType::ipv6 : wire::EtherType::ipv4);
  }
  std::vector<std::uint8_t> frame(sizeof ethernet + static_cast<std::size_t>(end - l3));
  std::memcpy(frame.data(), &ethernet, sizeof ethernet);
  std::memcpy(frame.data() + sizeof ethernet, l3, static_cast<std::size_t>(end - l3));
  const auto size = static_cast<std::uint32_t>(frame.size());
  capture_drop(reason, port, {nullptr, frame.data(), size, size});
}

/// Drops of bursts whose arrival nobody kept.
void Worker::capture_sent(PortId port, std::span<rte_mbuf* const> mbufs) {
  const std::uint64_t tsc = rte_rdtsc();
  for (const rte_mbuf* mbuf : mbufs) {
    const FrameView frame = FrameView::of(mbuf);
    for (Observer* capture : observed_->captures) {
      if (capture->out && capture->at_port(port) && capture->matches(frame)) {
        record(*capture, tsc, CapturePoint::out, port, DropReason::none, frame);
      }
    }
  }
}

}  // namespace weft::io
