#include "policy/compiled_policy.hpp"

#include <fmt/format.h>
#include <rte_acl.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "wire/ipv4.hpp"

namespace weft {
namespace {

constexpr unsigned fields4 = 5;
constexpr unsigned fields6 = 11;
/// Of one direction and family, after the lists of each rule were multiplied.
constexpr std::size_t most_entries = 1 << 18;
constexpr PortRange any_port{0, 0xffff};

RTE_ACL_RULE_DEF(Rule4, fields4);
RTE_ACL_RULE_DEF(Rule6, fields6);

rte_acl_field_def field(unsigned type, unsigned size, unsigned index, unsigned group,
                        std::size_t offset) {
  rte_acl_field_def def{};
  def.type = static_cast<std::uint8_t>(type);
  def.size = static_cast<std::uint8_t>(size);
  def.field_index = static_cast<std::uint8_t>(index);
  def.input_index = static_cast<std::uint8_t>(group);
  def.offset = static_cast<std::uint32_t>(offset);
  return def;
}

/// Protocol, the words of both addresses, both ports.
template <class Tuple>
rte_acl_config layout() {
  constexpr unsigned words = 2 * sizeof(Tuple::source) / sizeof(std::uint32_t);
  rte_acl_config config{};
  config.num_categories = 1;
  config.num_fields = words + 3;
  config.defs[0] = field(RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, offsetof(Tuple, protocol));
  for (unsigned word = 1; word <= words; ++word) {
    config.defs[word] = field(RTE_ACL_FIELD_TYPE_MASK, 4, word, word,
                              offsetof(Tuple, source) + sizeof(std::uint32_t) * (word - 1));
  }
  const unsigned ports = words + 1;
  config.defs[ports] =
      field(RTE_ACL_FIELD_TYPE_RANGE, 2, ports, ports, offsetof(Tuple, source_port));
  config.defs[ports + 1] =
      field(RTE_ACL_FIELD_TYPE_RANGE, 2, ports + 1, ports, offsetof(Tuple, destination_port));
  return config;
}

void set_prefix(rte_acl_field* fields, const IpPrefix* prefix, bool v4) {
  for (unsigned word = 0; word < (v4 ? 1U : 4U); ++word) {
    fields[word].value.u32 = 0;
    fields[word].mask_range.u32 = 0;
    if (prefix == nullptr) continue;
    if (v4) {
      fields[word].value.u32 = prefix->address.v4().value;
    } else {
      for (unsigned byte = 0; byte < 4; ++byte) {
        fields[word].value.u32 =
            fields[word].value.u32 << 8 | prefix->address.v6().bytes[4 * word + byte];
      }
    }
    const int bits = static_cast<int>(prefix->length) - static_cast<int>(32 * word);
    fields[word].mask_range.u32 = static_cast<std::uint32_t>(std::clamp(bits, 0, 32));
  }
}

void set_range(rte_acl_field& f, const PortRange& range) {
  f.value.u16 = range.first;
  f.mask_range.u16 = range.last;
}

/// The one range of the field that holds type and code.
PortRange icmp_range(const PolicyRule& rule) {
  const auto type = static_cast<std::uint16_t>(*rule.icmp_type << 8);
  if (!rule.icmp_code) return {type, static_cast<std::uint16_t>(type | 0xff)};
  const auto both = static_cast<std::uint16_t>(type | *rule.icmp_code);
  return {both, both};
}

std::vector<PortRange> or_any(const std::vector<PortRange>& ranges) {
  return ranges.empty() ? std::vector<PortRange>{any_port} : ranges;
}

/// Those of the family, nullptr standing for any; empty: the rule is not for the family.
std::vector<const IpPrefix*> of_family(const std::vector<IpPrefix>& prefixes, bool v4) {
  std::vector<const IpPrefix*> found;
  if (prefixes.empty()) found.push_back(nullptr);
  for (const IpPrefix& p : prefixes) {
    if (p.address.is_v4() == v4) found.push_back(&p);
  }
  return found;
}

Status check(const PolicyRule& rule, std::size_t number) {
  const auto bad = [&](const char* what) {
    return Error{fmt::format("rule {}: {}", number, what)};
  };
  const bool icmp = rule.protocol && wire::is_icmp(*rule.protocol);
  const bool with_ports = rule.protocol && wire::has_ports(*rule.protocol);
  if ((rule.icmp_type || rule.icmp_code) && !icmp)
    return bad("a type of ICMP without protocol ICMP");
  if (rule.icmp_code && !rule.icmp_type) return bad("a code of ICMP without a type");
  if ((!rule.source_ports.empty() || !rule.destination_ports.empty()) && !with_ports) {
    return bad("ports without protocol TCP, UDP or SCTP");
  }
  for (const auto* ranges : {&rule.source_ports, &rule.destination_ports}) {
    for (const PortRange& range : *ranges) {
      if (range.first > range.last) return bad("a range of ports that ends before it begins");
    }
  }
  for (const auto* prefixes : {&rule.sources, &rule.destinations}) {
    for (const IpPrefix& prefix : *prefixes) {
      if (prefix.length > prefix.address.width_bits() || prefix != prefix.masked()) {
        return bad("a prefix with bits beyond its length");
      }
    }
  }
  return ok();
}

template <class Entry>
void append(std::vector<Entry>& entries, const PolicyRule& rule, std::uint32_t number, bool v4) {
  Entry entry{};
  entry.data.category_mask = 1;
  entry.data.priority = static_cast<std::int32_t>(RTE_ACL_MAX_PRIORITY - number);
  entry.data.userdata = number;
  entry.field[0].value.u8 = rule.protocol.value_or(0);
  entry.field[0].mask_range.u8 = rule.protocol ? 0xff : 0;
  const unsigned words = v4 ? 1 : 4;
  const auto sources =
      rule.icmp_type ? std::vector<PortRange>{icmp_range(rule)} : or_any(rule.source_ports);
  for (const IpPrefix* source : of_family(rule.sources, v4)) {
    set_prefix(&entry.field[1], source, v4);
    for (const IpPrefix* destination : of_family(rule.destinations, v4)) {
      set_prefix(&entry.field[1 + words], destination, v4);
      for (const PortRange& from : sources) {
        set_range(entry.field[1 + 2 * words], from);
        for (const PortRange& to : or_any(rule.destination_ports)) {
          set_range(entry.field[2 + 2 * words], to);
          if (entries.size() <= most_entries) entries.push_back(entry);
        }
      }
    }
  }
}

/// Whether a packet that shows neither ports nor a type of ICMP can be taken.
bool asks_for_no_ports(const PolicyRule& rule) {
  return rule.source_ports.empty() && rule.destination_ports.empty() && !rule.icmp_type;
}

template <class Entry, class Condition>
Result<rte_acl_ctx*> build(const PolicyRules& rules, const std::string& name,
                           const rte_acl_config& layout, bool v4, Condition&& holds) {
  std::vector<Entry> entries;
  for (std::uint32_t i = 0; i < rules.rules.size(); ++i) {
    if (holds(rules.rules[i])) append(entries, rules.rules[i], i + 1, v4);
  }
  if (entries.empty()) return nullptr;
  if (entries.size() > most_entries) {
    return Error{fmt::format("its prefixes and ports make more than {} entries; use wider ones",
                             most_entries)};
  }
  rte_acl_param parameters{};
  parameters.name = name.c_str();
  parameters.socket_id = -1;
  parameters.rule_size = sizeof(Entry);
  parameters.max_rule_num = static_cast<std::uint32_t>(entries.size());
  rte_acl_ctx* acl = rte_acl_create(&parameters);
  if (acl == nullptr) return Error{"no memory for its rules; raise dpdk.memory_mb"};
  const auto* first = reinterpret_cast<const rte_acl_rule*>(entries.data());
  int made = rte_acl_add_rules(acl, first, static_cast<std::uint32_t>(entries.size()));
  if (made == 0) made = rte_acl_build(acl, &layout);
  if (made == 0) return acl;
  rte_acl_free(acl);
  return Error{made == -ENOMEM || made == -ERANGE
                   ? fmt::format("no memory for {} entries; raise dpdk.memory_mb", entries.size())
                   : fmt::format("rte_acl refuses {} entries (error {})", entries.size(), -made)};
}

std::uint32_t first_match(const rte_acl_ctx* acl, const void* tuple) {
  if (acl == nullptr) return 0;
  const auto* data = static_cast<const std::uint8_t*>(tuple);
  std::uint32_t found = 0;
  // Of one packet the scalar way is the quickest.
  rte_acl_classify_alg(acl, &data, &found, 1, 1, RTE_ACL_CLASSIFY_SCALAR);
  return found;
}

}  // namespace

void CompiledRules::Free::operator()(rte_acl_ctx* acl) const { rte_acl_free(acl); }

Result<CompiledRules> CompiledRules::make(const PolicyRules& rules, const std::string& name) {
  for (std::size_t i = 0; i < rules.rules.size(); ++i) {
    if (const Status status = check(rules.rules[i], i); !status) return status.error();
  }
  CompiledRules compiled;
  auto all = Tries::make(rules, name, [](const PolicyRule&) { return true; });
  if (!all) return all.error();
  compiled.all_ = std::move(*all);
  if (!std::all_of(rules.rules.begin(), rules.rules.end(), asks_for_no_ports)) {
    auto portless = Tries::make(rules, name + "p", asks_for_no_ports);
    if (!portless) return portless.error();
    compiled.portless_ = std::move(*portless);
  }
  compiled.rules_ = rules;
  return compiled;
}

template <class Condition>
Result<CompiledRules::Tries> CompiledRules::Tries::make(const PolicyRules& rules,
                                                        const std::string& name,
                                                        Condition&& holds) {
  Tries tries;
  auto made4 = build<Rule4>(rules, name + "4", layout<PolicyTuple4>(), true, holds);
  if (!made4) return made4.error();
  tries.acl4.reset(*made4);
  auto made6 = build<Rule6>(rules, name + "6", layout<PolicyTuple6>(), false, holds);
  if (!made6) return made6.error();
  tries.acl6.reset(*made6);
  return tries;
}

std::uint32_t CompiledRules::Tries::find(const PolicyTuple4& tuple) const {
  return first_match(acl4.get(), &tuple);
}

std::uint32_t CompiledRules::Tries::find(const PolicyTuple6& tuple) const {
  return first_match(acl6.get(), &tuple);
}

Result<std::shared_ptr<const PolicyTries>> compile(const Policy& policy, const std::string& name) {
  auto egress = CompiledRules::make(policy.egress, name + "e");
  if (!egress) return Error{"egress " + egress.error().message};
  auto ingress = CompiledRules::make(policy.ingress, name + "i");
  if (!ingress) return Error{"ingress " + ingress.error().message};
  return std::make_shared<const PolicyTries>(std::move(*egress), std::move(*ingress));
}

}  // namespace weft
