#pragma once
/// A policy as workers ask it: DPDK's rte_acl, one set of tries a direction and family, and another
/// one for packets that show no ports, where that makes a difference.

#include <cstdint>
#include <memory>
#include <optional>
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

  /// Whether they let anything through.
  [[nodiscard]] bool free() const {
    return rules_.rules.empty() && rules_.otherwise == PolicyAction::allow;
  }
  template <class Tuple>
  [[nodiscard]] PolicyVerdict judge(const Tuple& tuple) const {
    return verdict(all_.find(tuple));
  }
  /// Of a piece of a datagram whose ports nobody knows: rules that ask for ports or a type of ICMP
  /// do not take it, whatever stands in the tuple's.
  template <class Tuple>
  [[nodiscard]] PolicyVerdict judge_without_ports(const Tuple& tuple) const {
    return verdict((portless_ ? *portless_ : all_).find(tuple));
  }

 private:
  struct Free {
    void operator()(rte_acl_ctx* acl) const;
  };
  /// Of both families; nullptr: no rule is for it.
  struct Tries {
    std::unique_ptr<rte_acl_ctx, Free> acl4;
    std::unique_ptr<rte_acl_ctx, Free> acl6;

    /// Of those rules for which `holds(rule)`.
    template <class Condition>
    static Result<Tries> make(const PolicyRules& rules, const std::string& name, Condition&& holds);
    /// The number of the first rule that takes the tuple, from 1 on; 0: none.
    [[nodiscard]] std::uint32_t find(const PolicyTuple4& tuple) const;
    [[nodiscard]] std::uint32_t find(const PolicyTuple6& tuple) const;
  };

  CompiledRules() = default;
  [[nodiscard]] PolicyVerdict verdict(std::uint32_t found) const {
    if (found == 0) return {rules_.otherwise, PolicyVerdict::none};
    return {rules_.rules[found - 1].action, found - 1};
  }

  PolicyRules rules_;
  Tries all_;
  std::optional<Tries> portless_;  ///< of rules that ask for no ports; nothing: all of them are
};

struct PolicyTries final : CompiledPolicy {
  PolicyTries(CompiledRules out, CompiledRules in)
      : egress(std::move(out)), ingress(std::move(in)) {}
  CompiledRules egress;
  CompiledRules ingress;
};
Result<std::shared_ptr<const PolicyTries>> compile(const Policy& policy, const std::string& name);

}  // namespace weft
