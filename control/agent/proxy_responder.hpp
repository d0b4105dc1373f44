#pragma once
/// Answers ARP and neighbour solicitations of VMs, and of remote routers through tunnels, with the
/// VRF's router MAC: all that a VM sends goes to the router, whatever address it looks for.

#include <optional>
#include <variant>

#include "agent/model.hpp"
#include "agent/neighbour_message.hpp"

namespace weft::agent {

class ProxyResponder {
 public:
  ProxyResponder(const Model& model, ForwardingPlane& plane) : model_(model), plane_(plane) {}

  /// An ARP or ND message that came from a VIF or out of a tunnel.
  void receive(const PuntedPacket& packet);

 private:
  /// What either protocol asks, or tells.
  struct Question {
    IpAddress sender;
    IpAddress target;
    std::optional<MacAddress> claimed_mac;  ///< where the message says the sender is
    bool claims_nothing = false;            ///< a probe or DAD: it has no sender yet
    bool asks = false;                      ///< a request or solicitation
  };
  using Way = decltype(Injection::target);
  /// Where the answer goes, or why there is none.
  using Verdict = std::variant<DropReason, Way>;

  [[nodiscard]] Verdict judge(const PuntedPacket& packet, const Question& question) const;
  [[nodiscard]] Verdict judge_vm(const VifObject& vif, const Question& question) const;
  [[nodiscard]] Verdict judge_remote(VrfId vrf, const Question& question) const;
  [[nodiscard]] bool is_here(VrfId vrf, const IpAddress& target) const;
  [[nodiscard]] bool has_route(VrfId vrf, const IpAddress& target) const;
  template <class Build>
  void answer(const Verdict& verdict, Build build);

  const Model& model_;
  ForwardingPlane& plane_;
};

}  // namespace weft::agent
