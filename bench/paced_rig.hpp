#pragma once
/// A router with one worker between two paced ports, in the world of Versions.

#include <functional>
#include <memory>
#include <optional>

#include "paced_port.hpp"
#include "versions.hpp"

namespace weft::bench {

/// Packets a second that each side offers.
struct Load {
  double from_vm = 0;      ///< to be encapsulated
  double from_fabric = 0;  ///< to be decapsulated
  Load operator*(double factor) const { return {from_vm * factor, from_fabric * factor}; }
  [[nodiscard]] double sum() const { return from_vm + from_fabric; }
};

/// What the machine did to the worker meanwhile.
struct Disturbance {
  std::uint64_t absences = 0;  ///< times that another process had its CPU
  double longest_absence_ms = 0;
  double away_seconds = 0;
  double longest_gap_us = 0;  ///< of its own time between two looks at a port
};

/// What came of a load.
struct Outcome {
  double seconds = 0;  ///< of the worker's own time
  PacedCount count;
  std::uint64_t sent = 0;
  std::uint64_t dropped = 0;  ///< by the stages, for any reason
  Disturbance disturbance;
  /// Whether all packets have left, but for a share of those offered.
  [[nodiscard]] bool whole(double share = 0) const {
    return static_cast<double>(count.lost) <= share * static_cast<double>(count.offered) &&
           dropped == 0 && sent == count.taken;
  }
};

/// A router with one worker between two paced ports.
class PacedRouter {
 public:
  PacedRouter(const PacedRouter&) = delete;
  PacedRouter& operator=(const PacedRouter&) = delete;
  virtual ~PacedRouter() = default;

  /// Offers `load` while `meanwhile` runs.
  Outcome run(const Load& load, const std::function<void()>& meanwhile);
  Outcome run(const Load& load, double seconds);

 protected:
  /// Starts the router. Throws std::runtime_error.
  explicit PacedRouter(const FlowSettings& flows);
  /// What comes from the ports that were opened by now.
  void offer_from(PortId fabric, PortId vm);
  /// Ends the workers, which use what derived classes have.
  void end() { router_.reset(); }
  /// Lets so much time go by.
  virtual void pass(double seconds);
  [[nodiscard]] io::Router& router() { return *router_; }

  std::unique_ptr<PacedPort> fabric_;
  std::unique_ptr<PacedPort> vm_;

 private:
  struct Totals {
    PacedCount count;
    std::uint64_t sent;
    std::uint64_t dropped;
  };
  [[nodiscard]] Totals totals() const;

  std::optional<OwnClock> clock_;
  std::unique_ptr<io::Router> router_;  // ends first: its worker uses all of the above
};

/// In the world of Versions.
class PacedRig final : public PacedRouter {
 public:
  /// Throws std::runtime_error. `judged`: every packet that leaves is looked at.
  PacedRig(unsigned flows, bool judged);
  ~PacedRig() override { end(); }

  [[nodiscard]] ForwardingPlane& plane() { return router(); }
  [[nodiscard]] Versions& versions() { return *versions_; }

 private:
  std::unique_ptr<Versions> versions_;
};

}  // namespace weft::bench
