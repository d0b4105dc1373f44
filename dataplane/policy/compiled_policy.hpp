#pragma once
/// A policy as workers ask it: DPDK's rte_acl, one set of tries a direction and family.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "weft/policy.hpp"
#include "weft/result.hpp"

struct rte_acl_ctx;

namespace weft {

/// What rules ask of a packet, as it lies there. `source_port`, of ICMP: type, then code.
struct PolicyTuple4 {
  std::uint8_t protocol = 0;
  std::uint8_t unused[3] = {};
  std::uint32_t source = 0;
  std::uint32_t destination = 0;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
};
static_assert(sizeof(PolicyTuple4) == 16);

struct PolicyTuple6 {
  std::uint8_t protocol = 0;
  std::uint8_t unused[3] = {};
  std::uint8_t source[16] = {};
  std::uint8_t destination[16] = {};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
};
static_assert(sizeof(PolicyTuple6) == 40);

/// `rule`: its place in PolicyRules::rules; none: the default decided.
struct PolicyVerdict {
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  PolicyAction action = PolicyAction::deny;
  std::uint32_t rule = none;
  friend bool operator==(const PolicyVerdict&, const PolicyVerdict&) = default;
};

/// The rules of one direction.
class CompiledRules {
 public:
  /// `name`: different for each that lives. Takes long with many rules: not on the control thread.
  /// An error says what is wrong with which rule, or that they are too many.
  static Result<CompiledRules> make(const PolicyRules& rules, const std::string& name);

  [[nodiscard]] PolicyVerdict judge(const PolicyTuple4& tuple) const {
    return verdict(find(acl4_.get(), &tuple));
  }
  [[nodiscard]] PolicyVerdict judge(const PolicyTuple6& tuple) const {
    return verdict(find(acl6_.get(), &tuple));
  }
  /// Of a piece of a datagram whose ports nobody knows: rules that ask for ports or a type of ICMP
  /// do not take it.
  [[nodiscard]] PolicyVerdict judge_without_ports(const IpAddress& source,
                                                  const IpAddress& destination,
                                                  std::uint8_t protocol) const;

 private:
  CompiledRules() = default;
  /// The number of the first rule that takes the tuple, from 1 on; 0: none.
  static std::uint32_t find(const rte_acl_ctx* acl, const void* tuple);
  [[nodiscard]] PolicyVerdict verdict(std::uint32_t found) const {
    if (found == 0) return {rules_.otherwise, PolicyVerdict::none};
    return {rules_.rules[found - 1].action, found - 1};
  }

  struct Free {
    void operator()(rte_acl_ctx* acl) const;
  };
  PolicyRules rules_;
  std::unique_ptr<rte_acl_ctx, Free> acl4_;  ///< nullptr: no rule is for the family
  std::unique_ptr<rte_acl_ctx, Free> acl6_;
};

struct PolicyTries final : CompiledPolicy {
  PolicyTries(CompiledRules out, CompiledRules in)
      : egress(std::move(out)), ingress(std::move(in)) {}
  CompiledRules egress;
  CompiledRules ingress;
};
Result<std::shared_ptr<const PolicyTries>> compile(const Policy& policy, const std::string& name);

}  // namespace weft
