// What workers tell of packets that policies deny, and what explain says of their rules.
#include <catch2/catch.hpp>

#include "support/policy_case.hpp"

namespace weft::policy_told_test {

using namespace test::policies;

namespace {

std::vector<DeniedPacket> told(World& w) {
  std::vector<DeniedPacket> all;
  DeniedPacket packet;
  while (w.rig.hands().denied().pop(packet)) all.push_back(packet);
  return all;
}

constexpr std::uint64_t second = 2'000'000'000;  // of the rig's TSC

/// What admit noted, a line each; the policies' decisions as "VIF direction rule action".
std::string admitted(const Outcome& outcome) {
  std::string text;
  for (const ExplainStep& step : outcome.steps) {
    if (step.stage == "admit") text += step.text + "\n";
  }
  return text;
}
std::vector<PolicyDecision> decisions(const Outcome& outcome) {
  std::vector<PolicyDecision> all;
  for (const ExplainStep& step : outcome.steps) {
    if (step.policy) all.push_back(*step.policy);
  }
  return all;
}

}  // namespace

TEST_CASE("of a denied packet it is told who denied it, by which rule", "[policy]") {
  PolicyRule no_2001 = udp_to(2001);
  no_2001.action = PolicyAction::deny;
  World w({all(), all()}, {all(), {{udp_to(2000), no_2001}, PolicyAction::deny}});
  w.from_vm1(with(request, at::ip + 22, "07d1"));
  w.from_vm1(with(request, at::ip + 22, "07d2"));
  w.from_vm1(request);
  const auto packets = told(w);
  REQUIRE(packets.size() == 2);
  CHECK(packets[0].by == PolicyDecision{VifId(3), false, 1, PolicyAction::deny});
  CHECK(packets[0].vrf == world::blue);
  CHECK(packets[0].source == ip("10.1.0.11"));
  CHECK(packets[0].destination == ip("10.1.0.13"));
  CHECK(packets[0].protocol == udp);
  CHECK(packets[0].source_port == 1000);
  CHECK(packets[0].destination_port == 2001);
  CHECK(packets[0].untold == 0);
  CHECK(packets[1].by == PolicyDecision{VifId(3), false, std::nullopt, PolicyAction::deny});
  CHECK(packets[1].destination_port == 2002);
}

TEST_CASE("whatever is denied is told of", "[policy]") {
  World w({none(), none()}, {all(), all()});
  const PolicyDecision out{VifId(1), true, std::nullopt, PolicyAction::deny};
  const PolicyDecision in{VifId(1), false, std::nullopt, PolicyAction::deny};
  const auto only_told = [&] {
    auto packets = told(w);
    REQUIRE(packets.size() == 1);
    return packets[0];
  };
  SECTION("from the fabric") {
    w.from_fabric(hex(packets::peer_udp4));
    const DeniedPacket packet = only_told();
    CHECK(packet.by == in);
    CHECK(packet.vrf == world::blue);
    CHECK(packet.source == ip("10.1.0.12"));
  }
  SECTION("IPv6") {
    w.from_vm1(hex(packets::vm1_tcp6));
    const DeniedPacket packet = only_told();
    CHECK(packet.by == out);
    CHECK(packet.source == ip("fd00:1::11"));
    CHECK(packet.destination == ip("fd00:1::12"));
    CHECK(packet.destination_port == 443);
  }
  SECTION("ICMP, by type and code") {
    Bytes unreachable = with_ipv4(hex(packets::vm1_to_router4), at::ip, 16, "0a01000d");
    w.from_vm1(with(std::move(unreachable), at::ip + 20, "0304"));
    CHECK(only_told().source_port == 0x0304);
  }
  SECTION("a query, by its type") {
    w.from_vm1(with_ipv4(hex(packets::vm1_to_router4), at::ip, 16, "0a01000d"));
    CHECK(only_told().source_port == 0x0800);
  }
  SECTION("pieces that show no ports") {
    w.from_vm1(with_ipv4(hex(packets::vm1_fragment4), at::ip, 6, "0001"));
    const DeniedPacket packet = only_told();
    CHECK(packet.by == out);
    CHECK(packet.source_port == 0);
    CHECK(packet.destination_port == 0);
  }
  SECTION("what hides its protocol") {
    w.from_vm1(with(hex(packets::vm1_local6), at::ip + 6, "87"));
    const DeniedPacket packet = only_told();
    CHECK(packet.by == out);
    CHECK(packet.protocol == 0x87);
  }
  SECTION("the answer with which a session ends") {
    w.set(policy1, {all(), none()});
    REQUIRE(w.from_vm1(request) == passes);
    w.set(policy1, {none(), none()});
    CHECK(w.from_vm3(answer) == ingress);
    const DeniedPacket packet = only_told();
    CHECK((packet.by.vif == VifId(1) && !packet.by.egress && !packet.by.rule));
    CHECK(packet.source == ip("10.1.0.13"));
    CHECK(packet.source_port == 2000);
  }
}

TEST_CASE("a few denied packets a second are told of, the others counted", "[policy]") {
  World w({none(), none()}, {all(), all()});
  FlowHands& hands = w.rig.hands();
  hands.begin(100 * second);
  for (unsigned i = 0; i < 100; ++i) w.from_vm1(request);
  CHECK(told(w).size() == 16);
  CHECK(hands.denied().take_news());
  CHECK_FALSE(hands.denied().take_news());
  hands.begin(101 * second);
  for (unsigned i = 0; i < 100; ++i) w.from_vm1(request);
  const auto packets = told(w);
  CHECK((packets.size() >= 7 && packets.size() <= 9));
  REQUIRE_FALSE(packets.empty());
  CHECK(packets[0].untold == 84);
  CHECK(packets[1].untold == 0);
  // Nobody listens: no more than fit wait.
  for (unsigned i = 0; i < 100; ++i) {
    hands.begin((200 + 10 * i) * second);
    w.from_vm1(request);
  }
  CHECK(told(w).size() == 64);
}

TEST_CASE("explain says which rules let a packet through", "[policy]") {
  PolicyRule no_tcp;
  no_tcp.action = PolicyAction::deny;
  no_tcp.protocol = 6;
  World w({{{no_tcp, udp_to(2000)}, PolicyAction::deny}, none()}, {none(), all()});
  const PolicyDecision out{VifId(1), true, 1, PolicyAction::allow};
  const PolicyDecision in{VifId(3), false, std::nullopt, PolicyAction::allow};
  const Outcome first = w.rig.explain_judged(world::vm1, request);
  CHECK(admitted(first) ==
        "egress policy of vif 1: rule 1 allows\n"
        "ingress policy of vif 3: no rule takes it, allowed\n"
        "a new session would be opened\n");
  CHECK(decisions(first) == std::vector<PolicyDecision>{out, in});
  const Outcome denied = w.rig.explain_judged(world::vm1, with(request, at::ip + 22, "07d1"));
  CHECK(admitted(denied) ==
        "egress policy of vif 1: no rule takes it, denied\n"
        "drop: the policy of the VIF that sent it does not let it out\n");
  CHECK(decisions(denied) ==
        std::vector<PolicyDecision>{{VifId(1), true, std::nullopt, PolicyAction::deny}});
  CHECK(told(w).empty());  // nobody sent these
  CHECK(w.rig.hands().v4().opened.get() == 0);

  const Outcome opened = w.rig.receive_with_flows(world::vm1, request);
  CHECK(decisions(opened) == std::vector<PolicyDecision>{out, in});
  const Outcome known = w.rig.explain_judged(world::vm1, request);
  CHECK(admitted(known).empty());
  CHECK(decisions(known).empty());
  const auto says = [](const Outcome& outcome, const std::string& text) {
    return std::any_of(outcome.steps.begin(), outcome.steps.end(), [&](const ExplainStep& step) {
      return step.text.find(text) != std::string::npos;
    });
  };
  CHECK(says(known, ", forward: it stands"));
  // Its first answer has its route found, and is not judged.
  const Outcome back = w.rig.explain_judged(world::vm3, answer);
  CHECK(admitted(back).rfind("the session stands, session ", 0) == 0);
  CHECK(decisions(back).empty());
}

}  // namespace weft::policy_told_test
