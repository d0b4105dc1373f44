#pragma once
/// What the tests of policies begin with: two VMs that each have one.

#include "policy/compiled_policy.hpp"
#include "support/eal_session.hpp"
#include "support/stage_case.hpp"

namespace weft::test::policies {

inline constexpr PolicyId policy1{1};
inline constexpr PolicyId policy3{3};
inline constexpr std::uint8_t icmp = 1;
inline constexpr std::uint8_t udp = 17;

inline PolicyRule udp_to(std::uint16_t port) {
  PolicyRule rule;
  rule.protocol = udp;
  rule.destination_ports = {{port, port}};
  return rule;
}
inline PolicyRules only(PolicyRule rule) { return {{std::move(rule)}, PolicyAction::deny}; }
inline PolicyRules all() { return {{}, PolicyAction::allow}; }
inline PolicyRules none() { return {{}, PolicyAction::deny}; }

inline PolicyChange change(PolicyId id, const Policy& policy) {
  static int number = 0;
  test::packet_pool();
  auto compiled = compile(policy, "stage" + std::to_string(++number));
  if (!compiled) throw std::logic_error(compiled.error().message);
  return {id, std::shared_ptr<const CompiledPolicy>(*compiled)};
}

/// VM 1 and VM 3, both blue, each with a policy.
class World {
 public:
  World(const Policy& of_vm1, const Policy& of_vm3) : rig(world::batch()) {
    Batch batch;
    batch.policies = {change(policy1, of_vm1), change(policy3, of_vm3)};
    for (auto vif : world::batch().vifs) {
      if (vif.id == VifId(1)) vif.object->policy = policy1;
      if (vif.id == VifId(3)) vif.object->policy = policy3;
      batch.vifs.push_back(vif);
    }
    rig.apply(batch);
  }
  void set(PolicyId id, const Policy& policy) {
    Batch batch;
    batch.policies = {change(id, policy)};
    rig.apply(batch);
  }
  std::string from_vm1(const Bytes& frame) {
    return describe(rig.receive_judged(world::vm1, frame));
  }
  std::string from_vm3(const Bytes& frame) {
    return describe(rig.receive_judged(world::vm3, frame));
  }
  std::string from_fabric(const Bytes& frame) {
    return describe(rig.receive_judged(world::fabric, frame));
  }
  Rig rig;
};

inline const Bytes request = hex(packets::vm1_local4);  // UDP 1000 to 2000
inline const Bytes answer = [] {
  Bytes packet = with(packets::vm1_local4, 6, "020000000103");
  packet = with_ipv4(std::move(packet), at::ip, 12, "0a01000d0a01000b");
  return with(std::move(packet), at::ip + 20, "07d003e8");
}();

inline constexpr auto passes = "transmitted";
inline constexpr auto egress = "dropped: policy_egress_denied";
inline constexpr auto ingress = "dropped: policy_ingress_denied";

}  // namespace weft::test::policies
