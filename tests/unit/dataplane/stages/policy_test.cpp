// What policies let through, with sessions that remember it.
#include <catch2/catch.hpp>

#include "support/policy_case.hpp"

namespace weft::policy_test {

using namespace test::policies;

TEST_CASE("answers pass with the session that a policy let in", "[policy]") {
  World w({only(udp_to(2000)), none()}, {none(), only(udp_to(2000))});
  CHECK(w.from_vm3(answer) == egress);  // nobody asked yet
  CHECK(w.from_vm1(request) == passes);
  CHECK(w.from_vm3(answer) == passes);
  CHECK(w.from_vm3(answer) == passes);
  CHECK(w.from_vm1(request) == passes);
  CHECK(w.from_vm1(with(request, at::ip + 22, "07d1")) == egress);
  CHECK(w.rig.hands().v4().opened.get() == 1);
}

TEST_CASE("who sends and who gets must both agree", "[policy]") {
  World w({all(), all()}, {all(), only(udp_to(2000))});
  CHECK(w.from_vm1(request) == passes);
  CHECK(w.from_vm1(with(request, at::ip + 22, "07d1")) == ingress);
  World other({only(udp_to(2001)), all()}, {all(), all()});
  CHECK(other.from_vm1(request) == egress);
  CHECK(other.from_vm3(answer) == passes);
}

TEST_CASE("packets out of tunnels are judged by who gets them", "[policy]") {
  World w({none(), only(udp_to(2000))}, {all(), all()});
  CHECK(w.from_fabric(hex(packets::peer_udp4)) == passes);
  CHECK(w.from_fabric(with(hex(packets::peer_udp4), at::inner_ip + 22, "07d1")) == ingress);
  // Straight to the VIF, without a route.
  CHECK(w.from_fabric(hex(packets::peer_deliver)) == passes);
  CHECK(w.from_fabric(with(hex(packets::peer_deliver), at::inner_ip + 22, "07d1")) == ingress);
  CHECK(w.from_vm1(hex(packets::vm1_udp4)) == egress);
  CHECK(w.from_vm1(hex(packets::vm1_tcp6)) == egress);
}

TEST_CASE("established sessions are judged again when a policy changes", "[policy]") {
  World w({all(), none()}, {none(), all()});
  CHECK(w.from_vm1(request) == passes);
  CHECK(w.from_vm3(answer) == passes);
  SECTION("by the packet that opened it") {
    w.set(policy3, {none(), none()});
    CHECK(w.from_vm1(request) == ingress);
    CHECK(w.from_vm3(answer) == egress);
  }
  SECTION("by its answer, which then stands alone") {
    w.set(policy3, {none(), none()});
    CHECK(w.from_vm3(answer) == egress);
    CHECK(w.from_vm1(request) == ingress);
  }
  SECTION("by its answer, which may open one of its own") {
    w.set(policy1, {none(), all()});
    w.set(policy3, {all(), none()});
    CHECK(w.from_vm3(answer) == passes);
    CHECK(w.from_vm1(request) == passes);
    CHECK(w.rig.hands().v4().opened.get() == 2);
    return;
  }
  SECTION("and stay where they may") {
    w.set(policy3, {none(), only(udp_to(2000))});
    CHECK(w.from_vm3(answer) == passes);
    CHECK(w.from_vm1(request) == passes);
    CHECK(w.rig.hands().v4().opened.get() == 1);
    return;
  }
  w.set(policy3, {none(), all()});
  CHECK(w.from_vm3(answer) == egress);
  CHECK(w.from_vm1(request) == passes);
  CHECK(w.from_vm3(answer) == passes);
}

TEST_CASE("a VIF that gets another policy is judged by it at once", "[policy]") {
  World w({all(), all()}, {all(), all()});
  CHECK(w.from_vm1(request) == passes);
  Batch batch;
  batch.policies = {change(PolicyId(9), {none(), none()})};
  for (auto vif : world::batch().vifs) {
    if (vif.id != VifId(1)) continue;
    vif.object->policy = PolicyId(9);
    batch.vifs.push_back(vif);
  }
  w.rig.apply(batch);
  CHECK(w.from_vm1(request) == egress);
  batch.policies.clear();
  batch.vifs[0].object->policy = {};
  w.rig.apply(batch);
  CHECK(w.from_vm1(request) == passes);
}

TEST_CASE("a route to another VIF is no way around its policy", "[policy]") {
  World w({all(), all()}, {all(), none()});
  Batch batch;
  batch.routes = {{world::blue, prefix("10.1.0.99/32"), world::deliver_vm4}};
  w.rig.apply(batch);
  const Bytes packet = with_ipv4(request, at::ip, 16, "0a010063");
  CHECK(w.from_vm1(packet) == passes);
  batch.routes = {{world::blue, prefix("10.1.0.99/32"), world::deliver_vm3}};
  w.rig.apply(batch);
  CHECK(w.from_vm1(packet) == ingress);
}

TEST_CASE("ICMP errors pass with the session that they tell of", "[policy]") {
  World w({all(), none()}, {none(), all()});
  // From VM 3: port unreachable, with the request as it came there.
  Bytes error =
      hex("02005e000101 020000000103 0800 45000038 0001 0000 4001 0000 0a01000d 0a01000b"
          "0303 0000 00000000 45000020 0007 4000 3f11 0000 0a01000b 0a01000d 03e807d0"
          "000c0000");
  error = test::with_ipv4_checksum(std::move(error));
  CHECK(w.from_vm3(error) == egress);
  CHECK(w.from_vm1(request) == passes);
  CHECK(w.from_vm3(error) == passes);
  CHECK(w.from_vm3(with(error, at::ip + 48, "03e9")) == egress);  // of another conversation
  // An answer that comes from elsewhere does not take the session away from VM 3.
  CHECK(w.from_fabric(with(with_ipv4(hex(packets::peer_udp4), at::inner_ip, 12, "0a01000d0a01000b"),
                           at::inner_ip + 20, "07d003e8")) == passes);
  CHECK(w.from_vm3(error) == passes);
  CHECK(w.from_vm3(with(error, at::ip + 20, "05")) == egress);  // a redirect tells of nothing
  w.set(policy1, {none(), none()});
  CHECK(w.from_vm3(error) == egress);  // its session would not come about today
}

TEST_CASE("pieces of a datagram pass with its first one", "[policy]") {
  PolicyRule any;
  any.protocol = icmp;
  World w({{{udp_to(2000), any}, PolicyAction::deny}, none()}, {all(), all()});
  const Bytes first = hex(packets::vm1_fragment4);
  const Bytes later = with_ipv4(first, at::ip, 6, "0001");
  CHECK(w.from_vm1(later) == egress);  // no rule for a piece that shows no port
  CHECK(w.from_vm1(first) == passes);
  CHECK(w.from_vm1(later) == passes);
  CHECK(w.from_vm1(with_ipv4(later, at::ip, 4, "0008")) == egress);
}

TEST_CASE("what hides its protocol is denied where there are rules, whatever they say",
          "[policy]") {
  PolicyRule udp_rule;
  udp_rule.action = PolicyAction::deny;
  udp_rule.protocol = udp;
  const PolicyRules no_udp{{udp_rule}, PolicyAction::allow};
  // From VM 1 to VM 3, with extension headers of eight bytes in front of the upper layer.
  const auto behind = [](const std::string& next, const std::string& headers) {
    const Bytes plain = hex(packets::vm1_local6);
    Bytes packet = with(plain, at::ip + 6, next);
    const Bytes extra = hex(headers);
    packet.insert(packet.begin() + at::ip + 40, extra.begin(), extra.end());
    return with16(packet, at::ip + 4, test::get16(plain, at::ip + 4) + extra.size());
  };
  const auto options = [](unsigned count) {
    std::string headers;
    for (unsigned i = 1; i < count; ++i) headers += "3c00010400000000";
    return headers + "1100010400000000";
  };
  const Bytes found = behind("3c", options(8));
  const Bytes hidden = behind("3c", options(9));
  const Bytes piece = behind("2c", "3c00000100000007" + options(1));
  const Bytes later = behind("2c", "3c00000900000007" + options(1));
  const Bytes mobility = behind("87", "1100010400000000");
  const std::vector<Bytes> all_hidden{hidden, piece, later, mobility};
  {
    World w({no_udp, all()}, {all(), all()});
    CHECK(w.from_vm1(found) == egress);
    for (const Bytes& packet : all_hidden) CHECK(w.from_vm1(packet) == egress);
  }
  const PolicyRules anything = only({});
  World w({anything, all()}, {all(), anything});
  CHECK(w.from_vm1(found) == passes);
  for (const Bytes& packet : all_hidden) {
    CHECK(w.from_vm1(packet) == egress);
    const Bytes by_other = with(packet, 6, "020000000105");
    CHECK(describe(w.rig.receive_judged(world::trusted, by_other)) == ingress);
    const Bytes to_fabric = with(by_other, at::ip + 24, "fd000001000000000000000000000012");
    CHECK(describe(w.rig.receive_judged(world::trusted, to_fabric)) == passes);
  }
}

TEST_CASE("the first piece of a message of ICMP shows its type", "[policy]") {
  PolicyRule type13;
  type13.protocol = icmp;
  type13.icmp_type = 13;
  World w({only(type13), none()}, {all(), all()});
  // With a code, so that there is no session for it.
  const Bytes piece = test::with_ipv4_checksum(
      hex("02005e000101 020000000101 0800 4500001c 0007 2000 4001 0000 0a01000b 0a01000d"
          "0d01 0000 00070001"));
  CHECK(w.from_vm1(piece) == passes);
  CHECK(w.from_vm1(with(piece, at::ip + 20, "0e")) == egress);
  CHECK(w.from_vm1(with_ipv4(piece, at::ip, 6, "0001")) == egress);
}

TEST_CASE("where there are no rules anything passes, whatever it hides", "[policy]") {
  World w({all(), none()}, {none(), all()});
  CHECK(w.from_vm1(with(hex(packets::vm1_local6), at::ip + 6, "8b")) == passes);
}

TEST_CASE("an answer that nobody asked for lets no question in", "[policy]") {
  World w({all(), none()}, {none(), all()});
  const Bytes ping =
      hex("02005e000101 020000000101 0800 4500001c 0001 4000 4001 0000 0a01000b 0a01000d"
          "0800 0000 00070001");
  const Bytes query = test::with_ipv4_checksum(
      with(with(ping, 6, "020000000103"), at::ip + 12, "0a01000d0a01000b"));
  const Bytes answer_of_vm1 = test::with_ipv4_checksum(with(ping, at::ip + 20, "00"));
  CHECK(w.from_vm1(answer_of_vm1) == passes);
  CHECK(w.from_vm3(query) == egress);
  w.set(policy3, {all(), all()});
  CHECK(w.from_vm3(query) == ingress);
  w.set(policy1, {none(), all()});
  CHECK(w.from_vm3(query) == passes);
  CHECK(w.from_vm1(answer_of_vm1) == passes);
}

TEST_CASE("a session that others have does not stand in a packet's way", "[policy]") {
  // Somebody behind the fabric uses VM 3's address, and VM 3 may not open anything.
  World w({all(), all()}, {none(), all()});
  const Bytes from_elsewhere =
      with(with_ipv4(hex(packets::peer_udp4), at::inner_ip, 12, "0a01000d0a01000b"),
           at::inner_ip + 20, "07d003e8");
  CHECK(w.from_fabric(from_elsewhere) == passes);
  CHECK(w.from_vm1(request) == passes);
  w.set(policy1, {none(), all()});
  CHECK(w.from_vm1(request) == egress);
}

TEST_CASE("what hides its protocol has no session by which it could pass a policy", "[policy]") {
  Rig rig(world::batch());
  Bytes packet = with(hex(packets::vm1_local6), at::ip + 6, "8b");
  CHECK(describe(rig.receive_judged(world::vm1, packet)) == passes);
  CHECK(rig.hands().v6().opened.get() == 0);
  Batch batch;
  batch.policies = {change(policy1, {only({}), all()})};
  for (auto vif : world::batch().vifs) {
    if (vif.id != VifId(1)) continue;
    vif.object->policy = policy1;
    batch.vifs.push_back(vif);
  }
  rig.apply(batch);
  CHECK(describe(rig.receive_judged(world::vm1, packet)) == egress);
}

TEST_CASE("queries are let out by their type", "[policy]") {
  PolicyRule echo;
  echo.protocol = icmp;
  echo.icmp_type = 8;
  World w({only(echo), none()}, {none(), all()});
  const auto query = [](const std::string& type) {
    return with(with_ipv4(hex(packets::vm1_to_router4), at::ip, 16, "0a01000d"), at::ip + 20, type);
  };
  CHECK(w.from_vm1(query("08")) == passes);
  CHECK(w.from_vm1(query("0d")) == egress);
  CHECK(w.from_vm1(query("00")) == egress);
}

TEST_CASE("a connection between the ports of one that is closing is judged as a new one",
          "[policy]") {
  PolicyRule any_tcp;
  any_tcp.protocol = 6;
  World w({only(any_tcp), none()}, {none(), only(any_tcp)});
  const FlowTable<FlowKey4>& table = w.rig.flows().v4;
  const auto segment = [](const Bytes& packet, const std::string& flags) {
    Bytes tcp = with(hex(packets::vm1_tcp4), at::ip + 12, to_hex(packet).substr(2 * 26, 16));
    tcp = with(with(std::move(tcp), 0, to_hex(packet).substr(0, 24)), at::ip + 20,
               to_hex(packet).substr(2 * 34, 8));
    return with_ipv4_checksum(with(std::move(tcp), at::ip + 33, flags));
  };
  const auto asks = [&](const char* flags) { return w.from_vm1(segment(request, flags)); };
  const auto answers = [&](const char* flags) { return w.from_vm3(segment(answer, flags)); };
  const auto sessions = [&] { return w.rig.hands().v4().opened.get(); };
  const auto last_state = [&] {
    std::uint32_t session = table.frontier();
    while (session > 0 && !table.live(session)) --session;
    return session == 0 ? FlowState::one_way : table.state(session);
  };
  CHECK(answers("02") == egress);
  CHECK(asks("02") == passes);
  CHECK(asks("02") == passes);  // sent once more
  CHECK(answers("12") == passes);
  CHECK(asks("10") == passes);
  CHECK(asks("02") == passes);  // from before: it changes nothing
  CHECK(sessions() == 1);
  SECTION("both have said goodbye") {
    CHECK(asks("11") == passes);
    CHECK(answers("11") == passes);
    CHECK(asks("10") == passes);
  }
  SECTION("one has hung up") { CHECK(answers("14") == passes); }
  CHECK(last_state() == FlowState::closing);
  // VM 3 may not open one with these ports, and does not end what is left of the old one.
  CHECK(answers("02") == egress);
  CHECK(asks("10") == passes);
  CHECK(sessions() == 1);
  CHECK(asks("02") == passes);
  CHECK(sessions() == 2);
  CHECK(answers("12") == passes);
  CHECK(asks("10") == passes);
  CHECK(sessions() == 2);
  std::uint32_t live = 0;
  for (std::uint32_t s = 1; s <= table.frontier(); ++s) {
    if (!table.live(s)) continue;
    ++live;
    CHECK(table.state(s) == FlowState::established);
  }
  CHECK(live == 1);
  // Judged anew: what was allowed then is not now.
  CHECK(answers("14") == passes);
  w.set(policy3, {none(), none()});
  CHECK(asks("02") == ingress);
}

TEST_CASE("where a policy wants a session and there is no room, it is said why", "[policy]") {
  World w({all(), all()}, {all(), all()});
  w.rig.flows().rules.sessions_a_vif.set(1);
  CHECK(w.from_vm1(request) == passes);
  CHECK(w.from_vm3(answer) == passes);
  CHECK(w.from_vm1(with(request, at::ip + 22, "07d1")) == "dropped: flow_vif_limit");
  w.rig.flows().rules.sessions_a_vif.set(0);
  // All numbers are taken, by others than closed sessions.
  FlowTable<FlowKey4>& table = w.rig.flows().v4;
  Rcu rcu(1);
  FlowWriter taker(rcu, 9, IpFamily::v4);
  FlowKey4 key(1, 1, world::blue, udp);
  unsigned refused = 0;  // in a row: a single one may have met a full bucket
  for (std::uint32_t i = 0; refused < 10; ++i) {
    key.addresses = i * 0x9e3779b97f4a7c15;  // the rig's seed is a weak one
    const std::uint32_t direction = table.open(
        taker,
        {.forward = key, .reverse = key.reverse(world::blue), .forward_hash = table.hash(key)});
    refused = direction == 0 ? refused + 1 : 0;
    if (direction == 0) continue;
    table.entry(direction ^ 1).packets.add(1);  // answered: it does not give way
  }
  // What the worker has at hand still goes to new sessions.
  std::string last = passes;
  for (unsigned port = 3000; port < 3200 && last == passes; ++port) {
    last = w.from_vm1(test::with16(request, at::ip + 22, port));
  }
  CHECK(last == "dropped: flow_table_full");
  CHECK(w.from_vm1(request) == passes);
}

TEST_CASE("a policy where no flows are kept is refused", "[policy]") {
  test::packet_pool();
  Rcu rcu(1);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(world::batch()));
  Batch batch;
  batch.policies = {change(policy1, {})};
  for (auto vif : world::batch().vifs) {
    if (vif.id != VifId(1)) continue;
    vif.object->policy = policy1;
    batch.vifs.push_back(vif);
  }
  auto applied = state.apply(batch);
  REQUIRE_FALSE(applied);
  CHECK(applied.error().message == "vif 1: a policy needs sessions, and the VRF keeps no flows");
  batch.vrfs = {{world::blue, Vrf{test::mac("02:00:5e:00:01:01"), true}}};
  REQUIRE(state.apply(batch));
  Batch off;
  off.vrfs = {{world::blue, Vrf{test::mac("02:00:5e:00:01:01"), false}}};
  applied = state.apply(off);
  REQUIRE_FALSE(applied);
  CHECK(applied.error().message == "vrf 1: a vif in it has a policy, which needs flows");
  // However its VIFs come by their ports.
  Batch portless = off;
  for (auto port : world::batch().ports) {
    if (port.id != world::vm1) continue;
    port.object->vif = VifId(2);
    portless.ports.push_back(port);
  }
  portless.vrfs.clear();
  REQUIRE(state.apply(portless));
  CHECK_FALSE(state.apply(off));
  // Together with those VIFs it may.
  Batch together = off;
  together.vifs = batch.vifs;
  together.vifs[0].object->policy = {};
  REQUIRE(state.apply(together));
  batch.policies[0].object.reset();
  batch.vifs[0].object->policy = PolicyId(7);
  CHECK_FALSE(state.apply(batch));
}

}  // namespace weft::policy_test
