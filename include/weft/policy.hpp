#pragma once
/// What a VIF may send and get, as ordered rules.

#include <cstdint>
#include <optional>
#include <vector>

#include "weft/address.hpp"
#include "weft/ids.hpp"
#include "weft/tunnel.hpp"

namespace weft {

enum class PolicyAction : std::uint8_t { deny, allow };

/// Takes a packet of whose fields all match. An empty list takes any; a prefix of one family takes
/// no packet of the other.
struct PolicyRule {
  PolicyAction action = PolicyAction::allow;
  std::optional<std::uint8_t> protocol;
  std::vector<IpPrefix> sources;
  std::vector<IpPrefix> destinations;
  /// Of TCP, UDP and SCTP; of a later fragment no ports are known, and none match.
  std::vector<PortRange> source_ports;
  std::vector<PortRange> destination_ports;
  std::optional<std::uint8_t> icmp_type;  ///< with protocol ICMP or ICMPv6
  std::optional<std::uint8_t> icmp_code;  ///< with a type
  friend bool operator==(const PolicyRule&, const PolicyRule&) = default;
};

/// The first rule that takes a packet decides, else the default.
struct PolicyRules {
  std::vector<PolicyRule> rules;
  PolicyAction otherwise = PolicyAction::deny;
  friend bool operator==(const PolicyRules&, const PolicyRules&) = default;
};

/// Judged is the first packet of a session; its answers are let through with it.
struct Policy {
  PolicyRules egress;   ///< sessions that the VIF opens
  PolicyRules ingress;  ///< sessions that others open to it
  friend bool operator==(const Policy&, const Policy&) = default;
};

/// What one VIF's policy says of a session.
struct PolicyDecision {
  VifId vif;
  bool egress = false;                ///< the VIF would open it; else others would, to the VIF
  std::optional<std::uint32_t> rule;  ///< its place in PolicyRules::rules; nothing: no rule took it
  PolicyAction action = PolicyAction::deny;
  friend bool operator==(const PolicyDecision&, const PolicyDecision&) = default;
};

/// A policy as the data plane keeps it, made by ForwardingPlane::compile().
class CompiledPolicy {
 public:
  CompiledPolicy() = default;
  CompiledPolicy(CompiledPolicy&&) = default;
  CompiledPolicy& operator=(CompiledPolicy&&) = default;
  virtual ~CompiledPolicy() = default;
};

}  // namespace weft
