#pragma once
/// The traces and captures that run, and who reads from each.

#include <map>
#include <memory>
#include <string>

#include "agent/clock.hpp"
#include "weft/forwarding.hpp"

namespace weft::agent {

/// Who reads a trace or capture. It may stop it from within any of these.
class Observation {
 public:
  virtual ~Observation() = default;
  virtual void on_trace(const TracedPacket&) {}
  virtual void on_capture(const CapturedFrame&) {}
  /// For the operator: "trace at vif vm1: icmp".
  [[nodiscard]] virtual std::string what() const = 0;
  /// About every 100 ms.
  virtual void on_tick(Time now) = 0;
};

class Observations {
 public:
  explicit Observations(ForwardingPlane& plane) : plane_(plane) {}
  ~Observations() {
    for (const auto& [id, reader] : readers_) plane_.stop_observer(id);
  }
  Observations(const Observations&) = delete;
  Observations& operator=(const Observations&) = delete;

  /// `request`: TraceRequest or CaptureRequest. The reader lives at least until stop().
  Result<ObserverId> start(const TraceRequest& request, std::shared_ptr<Observation> reader) {
    return started(plane_.start_trace(request), std::move(reader));
  }
  Result<ObserverId> start(const CaptureRequest& request, std::shared_ptr<Observation> reader) {
    return started(plane_.start_capture(request), std::move(reader));
  }
  /// The data plane frees it with reclaim().
  ObserverStatus stop(ObserverId id) {
    readers_.erase(id);
    return plane_.stop_observer(id);
  }

  void on_trace(const TracedPacket& packet) {
    if (const auto reader = find(packet.trace)) reader->on_trace(packet);
  }
  void on_capture(const CapturedFrame& frame) {
    if (const auto reader = find(frame.capture)) reader->on_capture(frame);
  }
  void tick(Time now) {
    const auto readers = readers_;
    for (const auto& [id, reader] : readers) reader->on_tick(now);
  }
  [[nodiscard]] const auto& readers() const { return readers_; }

 private:
  Result<ObserverId> started(Result<ObserverId> id, std::shared_ptr<Observation> reader) {
    if (id) readers_.emplace(*id, std::move(reader));
    return id;
  }
  [[nodiscard]] std::shared_ptr<Observation> find(ObserverId id) const {
    const auto found = readers_.find(id);
    return found == readers_.end() ? nullptr : found->second;
  }

  ForwardingPlane& plane_;
  std::map<ObserverId, std::shared_ptr<Observation>> readers_;
};

}  // namespace weft::agent
