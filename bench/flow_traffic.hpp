#pragma once
/// Packets of many flows, and the worker that they go through: what the flow table does under
/// conversations that come and go.

#include <algorithm>
#include <memory>
#include <vector>

#include "bench_plane.hpp"
#include "stages_up_to.hpp"

namespace weft::bench {

/// Frames of one size, one behind the other.
class Frames {
 public:
  void add(const Bytes& frame) {
    frame_bytes_ = frame.size();
    all_.insert(all_.end(), frame.begin(), frame.end());
  }
  [[nodiscard]] std::size_t count() const { return all_.size() / frame_bytes_; }
  [[nodiscard]] std::span<const std::uint8_t> operator[](std::size_t i) const {
    return {&all_[i * frame_bytes_], frame_bytes_};
  }

 private:
  std::size_t frame_bytes_ = 1;
  Bytes all_;
};

/// A worker whose packets are laid ready first and sent then, so that only sending is timed.
class Traffic {
 public:
  static constexpr unsigned burst = 32;
  static constexpr unsigned most = 256;  ///< packets at a time

  Traffic(const Plane& plane, Work work) : plane_(plane), ingress_(ingress_of(plane, work)) {}

  void lay(unsigned place, std::span<const std::uint8_t> frame) { packets_.lay(place, frame); }
  [[nodiscard]] const Ingress& ingress() const { return ingress_; }
  [[nodiscard]] std::span<rte_mbuf* const> laid(unsigned count) const {
    return packets_.first(count);
  }
  /// Sends the first `count` packets in bursts; answers the TSC ticks that it took.
  std::uint64_t send(unsigned count) {
    plane_.hands()->begin(__rdtsc());
    const std::uint64_t start = __rdtsc();
    for (unsigned first = 0; first < count; first += burst) {
      run_received(ctx_, *burst_, ingress_,
                   laid(count).subspan(first, std::min(burst, count - first)));
      empty(*exits_);
    }
    return __rdtsc() - start;
  }
  /// All of them, once.
  void send(const Frames& frames) {
    for (std::size_t next = 0; next < frames.count(); next += most) {
      const auto count = static_cast<unsigned>(std::min<std::size_t>(most, frames.count() - next));
      for (unsigned i = 0; i < count; ++i) lay(i, frames[next + i]);
      send(count);
    }
  }
  /// Packets that did not leave by a port.
  [[nodiscard]] std::size_t lost() const {
    return exits_->dropped.count + exits_->punted.count + exits_->held.count;
  }

 private:
  const Plane& plane_;
  Ingress ingress_;
  Slots<most> packets_;
  std::unique_ptr<WorkerCounters> counters_ = std::make_unique<WorkerCounters>();
  std::unique_ptr<Exits> exits_ = std::make_unique<Exits>();
  std::unique_ptr<Burst> burst_ = std::make_unique<Burst>();
  Context ctx_{plane_.tables(), *counters_, *exits_, {}, plane_.hands()};
};

/// The key by which a packet of the flow is known that arrives in the bench's VRF.
inline FlowKey4 key_of(const Flow& flow, std::uint8_t protocol) {
  const auto raw = [](std::uint32_t address) { return std::uint64_t{__builtin_bswap32(address)}; };
  const FlowPorts ports = std::uint32_t{__builtin_bswap16(flow.destination_port)} << 16 |
                          __builtin_bswap16(flow.source_port);
  return {raw(flow.destination) << 32 | raw(flow.source), ports, VrfId(1), protocol};
}

}  // namespace weft::bench
