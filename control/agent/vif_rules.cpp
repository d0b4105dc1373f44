#include "agent/vif_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "agent/protocol_names.hpp"

namespace weft::agent {

namespace {

/// Rules of one direction, from the groups that have some.
class Expansion {
 public:
  Expansion(const GroupMembers& members, VrfId vrf, PolicyRules& rules,
            std::vector<RuleOrigin>& origins)
      : members_(members), vrf_(vrf), rules_(rules), origins_(origins) {
    rules_.otherwise = PolicyAction::allow;
  }

  void add(std::uint32_t group, const std::optional<std::vector<RuleConfig>>& list) {
    if (!list) return;
    rules_.otherwise = PolicyAction::deny;
    for (std::uint32_t number = 1; const RuleConfig& config : *list) {
      add(config, {group, number++});
    }
  }

 private:
  void add(const RuleConfig& config, RuleOrigin origin) {
    PolicyRule rule{.action = config.action,
                    .protocol = config.protocol,
                    .sources = prefixes(config.from),
                    .destinations = prefixes(config.to),
                    .source_ports = config.source_ports,
                    .destination_ports = config.ports,
                    .icmp_type = config.icmp_type,
                    .icmp_code = config.icmp_code};
    // Of a group that has no members, where an empty list would mean anybody.
    if (rule.sources.empty() != config.from.empty()) return;
    if (rule.destinations.empty() != config.to.empty()) return;
    rules_.rules.push_back(std::move(rule));
    origins_.push_back(origin);
  }

  [[nodiscard]] std::vector<IpPrefix> prefixes(const std::vector<PeerConfig>& peers) const {
    std::vector<IpPrefix> out;
    for (const auto& peer : peers) {
      if (peer.group.empty()) {
        out.push_back(peer.prefix);
      } else {
        std::ranges::copy(members_.in(vrf_, peer.group), std::back_inserter(out));
      }
    }
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }

  const GroupMembers& members_;
  VrfId vrf_;
  PolicyRules& rules_;
  std::vector<RuleOrigin>& origins_;
};

}  // namespace

const std::vector<std::string>& groups_of(const Model& model, const VifObject& vif) {
  if (vif.config.security_groups) return *vif.config.security_groups;
  return model.vrfs.at(vif.config.vrf).config.security_groups;
}

GroupMembers::GroupMembers(const Model& model) : model_(model) {
  if (model.security_groups.empty()) return;
  for (const auto& [name, vif] : model.vifs) {
    if (vif.host) continue;
    for (const auto& group : groups_of(model, vif)) {
      auto& addresses = vifs_[{vif.vrf, group}];
      for (const auto& address : vif.config.addresses) addresses.push_back(IpPrefix::host(address));
    }
  }
}

std::vector<IpPrefix> GroupMembers::in(VrfId vrf, const std::string& group) const {
  std::vector<IpPrefix> out = model_.security_groups.at(group).config.members;
  if (const auto found = vifs_.find({vrf, group}); found != vifs_.end()) {
    std::ranges::copy(found->second, std::back_inserter(out));
  }
  return out;
}

std::shared_ptr<const VifRules> rules_of(const Model& model, const GroupMembers& members, VrfId vrf,
                                         const std::vector<std::string>& groups) {
  const auto rules = std::make_shared<VifRules>();
  rules->groups = groups;
  Expansion egress(members, vrf, rules->policy.egress, rules->egress);
  Expansion ingress(members, vrf, rules->policy.ingress, rules->ingress);
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    const auto& config = model.security_groups.at(groups[i]).config;
    egress.add(i, config.egress);
    ingress.add(i, config.ingress);
  }
  const auto leaves_alone = [](const PolicyRules& all) {
    return all.rules.empty() && all.otherwise == PolicyAction::allow;
  };
  const bool none = leaves_alone(rules->policy.egress) && leaves_alone(rules->policy.ingress);
  return none ? nullptr : rules;
}

std::string takes_text(const PolicyRule& rule) {
  constexpr std::size_t most = 5;
  const auto list = [most](const auto& items, auto text) {
    std::string out;
    for (std::size_t i = 0; i < std::min(most, items.size()); ++i) {
      out += (i == 0 ? "" : ", ") + text(items[i]);
    }
    if (items.size() > most) out += fmt::format(" and {} more", items.size() - most);
    return out;
  };
  const auto prefix_text = [](const IpPrefix& prefix) {
    const bool host = prefix.length == prefix.address.width_bits();
    return host ? to_string(prefix.address) : to_string(prefix);
  };
  const auto port_text = [](const PortRange& range) {
    return range.first == range.last ? fmt::format("{}", range.first)
                                     : fmt::format("{}-{}", range.first, range.last);
  };
  std::string out = rule.protocol ? protocol_text(*rule.protocol) : "any protocol";
  if (rule.icmp_type) out += fmt::format(" type {}", *rule.icmp_type);
  if (rule.icmp_code) out += fmt::format(" code {}", *rule.icmp_code);
  if (!rule.sources.empty()) out += " from " + list(rule.sources, prefix_text);
  if (!rule.source_ports.empty()) out += " from port " + list(rule.source_ports, port_text);
  if (!rule.destinations.empty()) out += " to " + list(rule.destinations, prefix_text);
  if (!rule.destination_ports.empty()) out += " to port " + list(rule.destination_ports, port_text);
  return out;
}

std::string origin_text(const VifRules& rules, bool egress, std::optional<std::uint32_t> rule) {
  const char* direction = egress ? "egress" : "ingress";
  const auto& origins = egress ? rules.egress : rules.ingress;
  const PolicyRules& all = egress ? rules.policy.egress : rules.policy.ingress;
  if (rule && *rule < origins.size()) {
    const auto& [group, number] = origins[*rule];
    return fmt::format("security group {}, {} rule {}", rules.groups.at(group), direction, number);
  }
  if (all.otherwise == PolicyAction::allow) {
    return fmt::format("no security group has {} rules", direction);
  }
  return fmt::format("no {} rule of its security groups takes it", direction);
}

}  // namespace weft::agent
