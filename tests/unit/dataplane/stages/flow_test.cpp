// What sessions are opened, what counts in them, and when what they say no longer holds. The rig's
// twin keeps flows; each packet runs through it three times.
#include <catch2/catch.hpp>

#include "support/stage_case.hpp"

namespace weft::flow_test {
namespace {

constexpr std::uint64_t thrice = 3;

template <class Key>
std::vector<std::uint32_t> sessions(const FlowTable<Key>& table) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t s = 1; s <= table.frontier(); ++s) {
    if (table.live(s)) all.push_back(s);
  }
  return all;
}

/// The only session there is; packets of its directions.
struct Only {
  explicit Only(const Rig& rig) : table(rig.flows().v4) {
    const auto all = sessions(table);
    REQUIRE(all.size() == 1);
    session = all.front();
  }
  [[nodiscard]] const FlowEntry<FlowKey4>& forward() const { return table.entry(2 * session); }
  [[nodiscard]] const FlowEntry<FlowKey4>& reverse() const { return table.entry(2 * session + 1); }
  const FlowTable<FlowKey4>& table;
  std::uint32_t session = 0;
};

/// An ICMP packet of VM 1 to VM 3, of this type and identifier.
Bytes icmp_from_vm1(const std::string& type, const std::string& identifier) {
  Bytes packet = with_ipv4(hex(packets::vm1_to_router4), at::ip, 16, "0a01000d");
  return with(with(std::move(packet), at::ip + 20, type), at::ip + 24, identifier);
}
/// The same the other way.
Bytes icmp_from_vm3(const std::string& type, const std::string& identifier) {
  Bytes packet = with(icmp_from_vm1(type, identifier), 6, "020000000103");
  return with_ipv4(std::move(packet), at::ip, 12, "0a01000d0a01000b");
}

}  // namespace

TEST_CASE("both directions of a conversation are one session", "[flow]") {
  Rig rig(world::batch());
  REQUIRE(rig.receive(world::vm1, hex(packets::vm1_udp4)).frame == hex(packets::vm1_udp4_in_v4));
  {
    const Only only(rig);
    CHECK(only.forward().packets.get() == thrice);
    CHECK(only.forward().bytes.get() == thrice * 32);
    CHECK(only.reverse().packets.get() == 0);
    CHECK(only.table.state(only.session) == FlowState::one_way);
    CHECK(only.forward().ingress.get() == VifId(1).raw());
    CHECK(only.table.of_vif(VifId(1)) == 1);
  }
  // The answer comes out of a tunnel, ports exchanged.
  Bytes answer = hex(packets::peer_udp4);
  answer = with(std::move(answer), at::inner_ip + 20, "07d003e8");
  REQUIRE(rig.receive(world::fabric, answer).port == world::vm1);
  const Only only(rig);
  CHECK(only.forward().packets.get() == thrice);
  CHECK(only.reverse().packets.get() == thrice);
  CHECK(only.table.state(only.session) == FlowState::answered);
  // Another port is another conversation.
  rig.receive(world::fabric, hex(packets::peer_udp4));
  CHECK(sessions(rig.flows().v4).size() == 2);
}

TEST_CASE("IPv6 conversations have a table of their own", "[flow]") {
  Rig rig(world::batch());
  rig.receive(world::vm1, hex(packets::vm1_tcp6));
  rig.receive(world::vm1, hex(packets::vm1_local6));
  CHECK(sessions(rig.flows().v4).empty());
  CHECK(sessions(rig.flows().v6).size() == 2);
  Bytes answer = hex(packets::peer_tcp6);
  const std::size_t ports = at::inner_ip + 40;
  answer = with(std::move(answer), ports, "01bb03e8");
  REQUIRE(rig.receive(world::fabric, answer).port == world::vm1);
  CHECK(sessions(rig.flows().v6).size() == 2);
}

TEST_CASE("equal conversations of two tenants are two sessions", "[flow]") {
  Rig rig(world::batch());
  rig.receive(world::vm1, hex(packets::vm1_udp4));
  rig.receive(world::vm2, hex(packets::vm2_udp4));
  const auto all = sessions(rig.flows().v4);
  REQUIRE(all.size() == 2);
  CHECK(rig.flows().v4.entry(2 * all[0]).key.vrf_index() !=
        rig.flows().v4.entry(2 * all[1]).key.vrf_index());
}

TEST_CASE("a flow follows its route, at once", "[flow]") {
  Rig rig(world::batch());
  REQUIRE(rig.receive(world::vm1, hex(packets::vm1_udp4)).port == world::fabric);
  Batch batch;
  batch.routes = {{world::blue, prefix("10.1.0.12/32"), world::deliver_vm3}};
  rig.apply(batch);
  REQUIRE(rig.receive(world::vm1, hex(packets::vm1_udp4)).port == world::vm3);
  batch.routes = {{world::blue, prefix("10.1.0.12/32"), world::discard}};
  rig.apply(batch);
  REQUIRE(describe(rig.receive(world::vm1, hex(packets::vm1_udp4))) == "punted: discard_route");
  batch.routes = {{world::blue, prefix("10.1.0.12/32"), world::tunnel4}};
  rig.apply(batch);
  REQUIRE(rig.receive(world::vm1, hex(packets::vm1_udp4)).port == world::fabric);
  const Only only(rig);
  CHECK(only.forward().packets.get() == 3 * thrice);  // what was discarded is no packet of it
}

TEST_CASE("a tunnel that changes under its id makes no flow look up again", "[flow]") {
  Rig rig(world::batch());
  rig.receive(world::vm1, hex(packets::vm1_udp4));
  const FlowStamp before = rig.flows().stamp.load();
  Batch batch;
  for (auto& change : world::batch().nexthops) {
    if (change.id == world::tunnel4) batch.nexthops.push_back(change);
  }
  std::get<nexthop::Tunnel>(*batch.nexthops[0].object).profile.ttl = 9;
  rig.apply(batch);
  CHECK(rig.flows().stamp.load() == before);
  CHECK(rig.receive(world::vm1, hex(packets::vm1_udp4)).frame.at(at::ip + 8) == 9);
}

TEST_CASE("a conversation that moves to another VIF is looked at anew", "[flow]") {
  Rig rig(world::batch());
  rig.receive(world::vm1, hex(packets::vm1_udp4));
  const Bytes moved = with(packets::vm1_udp4, 6, "020000000105");
  rig.receive(world::trusted, moved);
  const Only only(rig);
  CHECK(only.forward().ingress.get() == VifId(world::trusted.index()).raw());
  CHECK(only.forward().packets.get() == 2 * thrice);
}

TEST_CASE("what routes lead through other VRFs is found again where they led", "[flow]") {
  Rig rig(world::batch());
  Batch batch;
  batch.routes = {{world::blue, prefix("10.1.0.12/32"), world::lookup_red}};
  rig.apply(batch);
  // In red it goes to the same remote, by red's VNI.
  const auto leaked = rig.receive(world::vm1, hex(packets::vm1_udp4));
  REQUIRE(leaked.port == world::fabric);
  const Only only(rig);
  CHECK(only.forward().key.vrf_index() == world::blue.index());
  CHECK(only.forward().vrf.get() == world::red.raw());
  CHECK(only.reverse().key.vrf_index() == world::red.index());
}

TEST_CASE("what a tunnel sends straight to a VIF shows no other packet the way", "[flow]") {
  Rig rig(world::batch());
  const Bytes straight = hex(packets::peer_deliver);
  const Bytes by_route = with(straight, at::vni, "000064");  // the same, and no route takes it
  REQUIRE(rig.receive(world::fabric, straight).port == world::vm1);
  CHECK(describe(rig.receive(world::fabric, by_route)) == "punted: no_route");
  REQUIRE(rig.receive(world::fabric, straight).port == world::vm1);
  CHECK(Only(rig).forward().packets.get() == 2 * thrice);
}

TEST_CASE("all pieces of a datagram count in its flow, once the first has come", "[flow]") {
  Rig rig(world::batch());
  const Bytes whole = hex(packets::vm1_local4);
  const Bytes first = hex(packets::vm1_fragment4);
  Bytes later = with_ipv4(first, at::ip, 6, "0001");
  later = with(std::move(later), at::ip + 20, "ffffffff");  // no ports, whatever stands there
  rig.receive(world::vm1, later);
  CHECK(sessions(rig.flows().v4).empty());
  rig.receive(world::vm1, first);
  CHECK(Only(rig).forward().packets.get() == thrice);
  rig.receive(world::vm1, later);
  CHECK(Only(rig).forward().packets.get() == 2 * thrice);
  rig.receive(world::vm1, whole);
  CHECK(Only(rig).forward().packets.get() == 3 * thrice);
  // A piece of another datagram is not known by this one's.
  rig.receive(world::vm1, with_ipv4(later, at::ip, 4, "0008"));
  CHECK(Only(rig).forward().packets.get() == 3 * thrice);
}

TEST_CASE("an echo and its reply are one session, the other side's ping is another", "[flow]") {
  Rig rig(world::batch());
  REQUIRE(rig.receive(world::vm1, icmp_from_vm1("08", "0005")).port == world::vm3);
  CHECK(Only(rig).forward().packets.get() == thrice);
  REQUIRE(rig.receive(world::vm3, icmp_from_vm3("00", "0005")).port == world::vm1);
  CHECK(Only(rig).reverse().packets.get() == thrice);
  rig.receive(world::vm3, icmp_from_vm3("08", "0005"));
  CHECK(sessions(rig.flows().v4).size() == 2);
  rig.receive(world::vm1, icmp_from_vm1("08", "0006"));
  CHECK(sessions(rig.flows().v4).size() == 3);
  // What asks nothing opens nothing.
  rig.receive(world::vm1, icmp_from_vm1("03", "0006"));
  CHECK(sessions(rig.flows().v4).size() == 3);
}

TEST_CASE("the state of a TCP connection follows the flags of both sides", "[flow]") {
  Rig rig(world::batch());
  const auto from_vm1 = [&](const std::string& flags) {
    rig.receive(world::vm1, with(packets::vm1_tcp4, at::ip + 20 + 13, flags));
    const Only only(rig);
    return only.table.state(only.session);
  };
  const auto from_peer = [&](const std::string& flags) {
    const std::size_t tcp = at::inner_ip_v6 + 20;
    Bytes answer = with(with(packets::peer6_tcp4, tcp, "01bb03e8"), tcp + 13, flags);
    // The outer checksum covers it, and the tunnel checks it.
    answer = test::with16(std::move(answer), at::udp_v6 + 6, 0);
    std::uint64_t sum = 0;
    const std::size_t bytes = answer.size() - at::udp_v6;
    for (std::size_t i = at::ip + 8; i < at::udp_v6; i += 2) sum += test::get16(answer, i);
    for (std::size_t i = at::udp_v6; i + 1 < answer.size(); i += 2) sum += test::get16(answer, i);
    if (bytes % 2 != 0) sum += answer.back() << 8U;
    sum += bytes + 17;
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    answer = test::with16(std::move(answer), at::udp_v6 + 6, ~sum & 0xffff);
    REQUIRE(describe(rig.receive(world::fabric, answer)) == "transmitted");
    const Only only(rig);
    return only.table.state(only.session);
  };
  CHECK(from_vm1("02") == FlowState::opening);
  CHECK(from_peer("12") == FlowState::opening);
  CHECK(from_vm1("10") == FlowState::established);
  CHECK(from_vm1("11") == FlowState::established);
  CHECK(from_peer("11") == FlowState::closing);
}

TEST_CASE("a session that was closed is opened anew by the next packet", "[flow]") {
  Rig rig(world::batch());
  rig.receive(world::vm1, hex(packets::vm1_udp4));
  const std::uint64_t first = rig.flows().v4.session_of(2 * Only(rig).session).id.get();
  REQUIRE(rig.flows().v4.close(rig.hands().of<FlowKey4>(), 2 * Only(rig).session));
  CHECK(sessions(rig.flows().v4).empty());
  CHECK(rig.flows().v4.of_vif(VifId(1)) == 0);
  rig.receive(world::vm1, hex(packets::vm1_udp4));
  CHECK(rig.flows().v4.session_of(2 * Only(rig).session).id.get() != first);
  rig.tidy();
  CHECK(rig.hands().v4().freed.get() == 1);
}

TEST_CASE("a VIF at its limit gives up what was never answered, and keeps the rest", "[flow]") {
  Rig rig(world::batch());
  rig.flows().rules.sessions_a_vif.set(3);
  const auto send = [&](unsigned port) {
    rig.receive(world::vm1, test::with16(hex(packets::vm1_local4), at::ip + 20, port));
  };
  send(1);
  Bytes answer = with(packets::vm1_local4, 6, "020000000103");
  answer = with_ipv4(std::move(answer), at::ip, 12, "0a01000d0a01000b");
  rig.receive(world::vm3, with(std::move(answer), at::ip + 20, "07d00001"));
  for (unsigned port = 2; port < 20; ++port) send(port);
  CHECK(rig.flows().v4.of_vif(VifId(1)) == 3);
  bool answered = false;
  for (const std::uint32_t s : sessions(rig.flows().v4)) {
    answered |= rig.flows().v4.state(s) == FlowState::answered;
  }
  CHECK(answered);
  CHECK(rig.hands().v4().evicted.get() == 16);
  // A VIF that takes the place of a deleted one begins with nothing.
  CHECK(rig.flows().v4.of_vif(VifId(1, 1)) == 0);
  // Another VIF has its own limit.
  rig.receive(world::vm2, hex(packets::vm2_udp4));
  CHECK(rig.flows().v4.of_vif(VifId(2)) == 1);
}

}  // namespace weft::flow_test
