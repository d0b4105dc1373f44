#pragma once
/// What the security groups of a VIF come to: one list of rules a direction, names resolved.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/model.hpp"

namespace weft::agent {

/// The groups that a VIF is in, in the order in which their rules are asked.
const std::vector<std::string>& groups_of(const Model& model, const VifObject& vif);

/// Whom each group stands for, looked up once for the rules of all VIFs.
class GroupMembers {
 public:
  explicit GroupMembers(const Model& model);
  /// For VIFs in `vrf`: addresses of other VRFs are others' addresses.
  [[nodiscard]] std::vector<IpPrefix> in(VrfId vrf, const std::string& group) const;

 private:
  const Model& model_;
  std::map<std::pair<VrfId, std::string>, std::vector<IpPrefix>> vifs_;
};

/// The rules of a VIF of `vrf` that is in `groups`; null: they leave it alone.
std::shared_ptr<const VifRules> rules_of(const Model& model, const GroupMembers& members, VrfId vrf,
                                         const std::vector<std::string>& groups);

constexpr std::string_view action_text(PolicyAction action) {
  return action == PolicyAction::allow ? "allow" : "deny";
}

/// What a rule takes: `tcp from 10.1.0.0/24, fd00:1::/64 to port 80, 443`; for people.
std::string takes_text(const PolicyRule& rule);

/// Where the rule comes from that decided: `security group web, ingress rule 2`.
std::string origin_text(const VifRules& rules, bool egress, std::optional<std::uint32_t> rule);

}  // namespace weft::agent
