#pragma once
/// Answers ARP and neighbour solicitations of VMs, and of remote routers through tunnels, with the
/// VRF's router MAC: all that a VM sends goes to the router, whatever address it looks for.

#include <optional>

#include "agent/model.hpp"
#include "agent/neighbour_message.hpp"

namespace weft::agent {

class ProxyResponder {
 public:
  ProxyResponder(const Model& model, ForwardingPlane& plane) : model_(model), plane_(plane) {}

  /// An ARP or ND message that came from a VIF or out of a tunnel.
  void receive(const PuntedPacket& packet);

 private:
  /// What either protocol asks.
  struct Question {
    IpAddress sender;
    IpAddress target;
    std::optional<MacAddress> claimed_mac;  ///< where the message says the sender is
    bool claims_nothing = false;            ///< a probe or DAD: it has no sender yet
  };

  /// `none` when the question deserves an answer.
  [[nodiscard]] DropReason judge(const VifObject& vif, const Question& question) const;
  [[nodiscard]] bool has_route(VrfId vrf, const IpAddress& target) const;
  /// The tunnel next hop by which the answer goes back.
  [[nodiscard]] std::optional<NexthopId> way_back(VrfId vrf, const Question& question) const;

  const Model& model_;
  ForwardingPlane& plane_;
};

}  // namespace weft::agent
