#pragma once
/// BFD with gateways: which sessions there have to be, and what they say of the gateways.
///
/// One thread: the control thread.

#include <cstdint>
#include <functional>
#include <map>

#include "agent/clock.hpp"
#include "agent/model.hpp"
#include "weft/forwarding.hpp"

namespace weft::agent {

class BfdKeeper {
 public:
  struct Entry {
    BfdStatus status;  ///< as it was told last
    AdjacencyId adjacency;
    bool alive = false;
    Time since{};             ///< when it came into its state
    std::uint64_t downs = 0;  ///< times that it was up and is no more
  };
  /// `tell`: whether a gateway forwards.
  BfdKeeper(const Model& model, ForwardingPlane& plane, Clock clock,
            std::function<void(const NeighbourKey&, bool)> tell)
      : model_(model), plane_(plane), clock_(std::move(clock)), tell_(std::move(tell)) {}

  /// Begins and ends sessions, such that there is one with each gateway on a port with BFD. Call
  /// after the model has changed, and now and then. Whether some have ended.
  bool settle();
  void hear(const BfdStatus& status);

  [[nodiscard]] const std::map<NeighbourKey, Entry>& entries() const { return entries_; }

 private:
  void begin(const NeighbourKey& key, const PortObject& port, AdjacencyId adjacency);

  const Model& model_;
  ForwardingPlane& plane_;
  Clock clock_;
  std::function<void(const NeighbourKey&, bool)> tell_;
  std::map<NeighbourKey, Entry> entries_;
};

}  // namespace weft::agent
