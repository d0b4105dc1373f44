#pragma once
/// Security groups for tests, written as weft.yaml has them.

#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

#include "agent/vif_rules.hpp"
#include "config_sample.hpp"
#include "node.hpp"

namespace weft::agent::test {

/// Groups, an item of YAML each: `{name: web, egress: []}`.
inline std::vector<SecurityGroupConfig> groups(const std::vector<std::string>& items) {
  std::string text = "node: {name: n}\nsecurity_groups:\n";
  for (const auto& item : items) text += "  - " + item + "\n";
  return load(text).security_groups;
}

/// The sample with `all`, and these of its VIFs in some of them.
inline Config grouped(const std::vector<std::string>& all,
                      const std::map<std::string, std::vector<std::string>>& of_vifs) {
  Config config = sample_node();
  config.security_groups = groups(all);
  for (auto& vif : config.vifs) {
    if (of_vifs.contains(vif.name)) vif.security_groups = of_vifs.at(vif.name);
  }
  return config;
}

using Lines = std::vector<std::string>;

/// A line a rule, and what becomes of what none takes.
inline Lines lines(const PolicyRules& rules) {
  Lines out;
  for (const auto& rule : rules.rules) {
    out.push_back(fmt::format("{} {}", action_text(rule.action), takes_text(rule)));
  }
  out.push_back(fmt::format("{} the rest", action_text(rules.otherwise)));
  return out;
}

}  // namespace weft::agent::test
