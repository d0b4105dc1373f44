/// Security groups of `weft.yaml`.

#include "agent/config_draft.hpp"
#include "agent/protocol_names.hpp"

namespace weft::agent {
namespace {

using yaml::Map;
using yaml::Placed;
using yaml::Value;

std::optional<std::uint8_t> protocol(const Value& v) {
  const auto& word = v.element().text;
  if (!v.scalar()) return v.wanted(protocol_wanted);
  if (const auto named = protocol_named(word)) return named;
  if (word.find_first_not_of("0123456789") == std::string::npos) {
    return yaml::number<std::uint8_t>(0, 255)(v);
  }
  v.error("wanted " + std::string(protocol_wanted) + ", found " + yaml::quoted(word) +
          yaml::did_you_mean(word, protocol_names()));
  return std::nullopt;
}

/// A prefix, or an address alone.
std::optional<IpPrefix> members_prefix(const Value& v) {
  if (v.scalar()) {
    if (const auto address = parse_ip(v.element().text)) return IpPrefix::host(*address);
  }
  return yaml::network(v);
}

std::optional<PeerConfig> peer(const Value& v) {
  const std::string_view word = v.element().text;
  if (v.scalar() && word.starts_with(group_scheme)) {
    const auto group = word.substr(group_scheme.size());
    if (!yaml::is_name(group)) return v.wanted("group:NAME, the name of a security group");
    return PeerConfig{{}, std::string(group)};
  }
  if (v.scalar() && word.find_first_of("./:") == std::string_view::npos) {
    return v.wanted("a prefix, an address or group:NAME");
  }
  const auto prefix = members_prefix(v);
  return prefix ? std::optional(PeerConfig{*prefix}) : std::nullopt;
}

std::optional<PortRange> ports(const Value& v) {
  const std::string_view word = v.element().text;
  const auto number = [](std::string_view digits) -> std::optional<std::uint16_t> {
    std::uint16_t out = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return failed == std::errc() && end == digits.data() + digits.size() ? std::optional(out)
                                                                         : std::nullopt;
  };
  const auto dash = word.find('-');
  const auto first = number(word.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : number(word.substr(dash + 1));
  if (!v.scalar() || !first || !last) return v.wanted("a port, or a range like 8000-8010");
  if (*first > *last) return v.wanted("a range of ports, the lower one first");
  return PortRange{*first, *last};
}

std::optional<RuleConfig> read_rule(SecurityGroupDraft& group, const Value& v) {
  RuleConfig rule;
  Map map(v);
  const auto peers = [&](std::string_view key, std::vector<PeerConfig>& into) {
    std::vector<Placed<PeerConfig>> placed;
    map.optional(key, placed, yaml::one_or_list(peer));
    if (map.good(key) && map.at(key).element().children.empty() && !map.at(key).scalar()) {
      map.at(key).error("wanted at least one, found none; leave the key out to mean anybody");
    }
    for (const auto& [value, where] : placed) {
      if (!value.group.empty()) group.named.push_back({value.group, where});
    }
    into = values(std::move(placed));
  };
  const auto ranges = [&](std::string_view key, std::vector<PortRange>& into) {
    std::vector<Placed<PortRange>> placed;
    map.optional(key, placed, yaml::one_or_list(ports));
    if (map.good(key) && map.at(key).element().children.empty() && !map.at(key).scalar()) {
      map.at(key).error("wanted at least one, found none; leave the key out to mean any port");
    }
    into = values(std::move(placed));
  };
  const auto number = [&](std::string_view key, std::optional<std::uint8_t>& into,
                          const auto& reader) {
    std::uint8_t value = 0;
    if (map.optional(key, value, reader)) into = value;
  };
  const auto type = yaml::number<std::uint8_t>(0, 255);
  map.optional(
      "action", rule.action,
      yaml::choice<PolicyAction>({{"allow", PolicyAction::allow}, {"deny", PolicyAction::deny}}));
  number("protocol", rule.protocol, protocol);
  peers("from", rule.from);
  peers("to", rule.to);
  ranges("ports", rule.ports);
  ranges("source_ports", rule.source_ports);
  number("icmp_type", rule.icmp_type, type);
  number("icmp_code", rule.icmp_code, type);
  map.finish();
  if (map.has("protocol") && !map.good("protocol")) return rule;
  const bool with_ports = rule.protocol && wire::has_ports(*rule.protocol);
  const bool icmp = rule.protocol && wire::is_icmp(*rule.protocol);
  for (const auto* key : {"ports", "source_ports"}) {
    if (map.has(key) && !with_ports)
      map.at(key).error("wanted with protocol tcp, udp or sctp only");
  }
  if (map.has("icmp_type") && !icmp) {
    map.at("icmp_type").error("wanted with protocol icmp or icmpv6 only");
  }
  if (map.has("icmp_code") && !map.has("icmp_type")) {
    map.at("icmp_code").error("wanted beside an icmp_type only");
  }
  return rule;
}

}  // namespace

std::optional<SecurityGroupDraft> read_security_group(const Value& v) {
  SecurityGroupDraft group(v);
  SecurityGroupConfig& config = group.config;
  Map& map = group.map;
  std::vector<Placed<IpPrefix>> members;
  map.required("name", config.name, yaml::name);
  if (map.optional("members", members, yaml::placed_list(members_prefix))) unique(members);
  config.members = values(std::move(members));
  const auto rules = [&](std::string_view key, std::optional<std::vector<RuleConfig>>& into) {
    std::vector<Placed<RuleConfig>> placed;
    const auto read = [&](const Value& rule) { return read_rule(group, rule); };
    if (map.optional(key, placed, yaml::placed_list(read))) into = values(std::move(placed));
  };
  rules("ingress", config.ingress);
  rules("egress", config.egress);
  map.finish();
  return group;
}

}  // namespace weft::agent
