#include "agent/proxy_responder.hpp"

#include <catch2/catch.hpp>

#include "node.hpp"
#include "support/exact_copy.hpp"
#include "support/hex.hpp"

namespace weft::agent::proxy_test {
namespace {

using namespace test;
using weft::test::hex;
using weft::test::to_hex;

// Written by scapy. The router is 02:00:5e:00:01:01; vm1 02:00:00:00:01:01 with 10.1.0.11 and
// fd00:1::11; a remote router 02:00:5e:00:02:02 speaks for 10.1.0.12, which is behind to-b.
constexpr auto vm_asks_gateway =
    "ffffffffffff020000000101080600010800060400010200000001010a01000b0000000000000a010001";
constexpr auto gateway_for_vm =
    "02000000010102005e0001010806000108000604000202005e0001010a0100010200000001010a01000b";
constexpr auto vm_asks_remote =
    "ffffffffffff020000000101080600010800060400010200000001010a01000b0000000000000a020505";
constexpr auto remote_for_vm =
    "02000000010102005e0001010806000108000604000202005e0001010a0205050200000001010a01000b";
constexpr auto vm_probes_gateway =
    "ffffffffffff02000000010108060001080006040001020000000101000000000000000000000a010001";
constexpr auto gateway_for_probe =
    "02000000010102005e0001010806000108000604000202005e0001010a01000102000000010100000000";
constexpr auto vm_solicits_gateway =
    "3333ff00000102000000010186dd6000000000203afffd000001000000000000000000000011ff020000000000"
    "0000000001ff00000187007c8700000000fd0000010000000000000000000000010101020000000101";
constexpr auto advertised_to_vm =
    "02000000010102005e00010186dd6000000000203afffd000001000000000000000000000001fd000001000000"
    "00000000000000001188003d89e0000000fd000001000000000000000000000001020102005e000101";
constexpr auto vm_solicits_from_link_local =
    "3333ff00000102000000010186dd6000000000203afffe80000000000000000000fffe000101ff020000000000"
    "0000000001ff00000187007b1800000000fd0000010000000000000000000000010101020000000101";
constexpr auto advertised_to_link_local =
    "02000000010102005e00010186dd6000000000203afffd000001000000000000000000000001fe800000000000"
    "00000000fffe00010188003c1ae0000000fd000001000000000000000000000001020102005e000101";
constexpr auto dad_for_gateway =
    "3333ff00000102000000010186dd6000000000183aff00000000000000000000000000000000ff020000000000"
    "0000000001ff00000187007da400000000fd000001000000000000000000000001";
constexpr auto advertised_to_all =
    "33330000000102005e00010186dd6000000000203afffd000001000000000000000000000001ff020000000000"
    "00000000000000000188007b98a0000000fd000001000000000000000000000001020102005e000101";
constexpr auto remote_asks_gateway =
    "ffffffffffff02005e0002020806000108000604000102005e0002020a01000c0000000000000a010001";
constexpr auto gateway_for_remote =
    "02005e00020202005e0001010806000108000604000202005e0001010a01000102005e0002020a01000c";
constexpr auto remote_asks_vm =
    "ffffffffffff02005e0002020806000108000604000102005e0002020a01000c0000000000000a01000b";
constexpr auto vm_for_remote =
    "02005e00020202005e0001010806000108000604000202005e0001010a01000b02005e0002020a01000c";

struct Proxy {
  Node node;
  ProxyResponder proxy{node.model, node.plane};

  PuntedPacket packet(Bytes frame, VrfId vrf) const {
    PuntedPacket p;
    p.kind = PuntClass::neighbour;
    p.vrf = vrf;
    p.l3_offset = 14;
    p.frame = frame;
    return p;
  }
  void from_vif(const char* name, Bytes frame) {
    const auto& vif = node.vif(name);
    auto p = packet(frame, vif.vrf);
    p.vif = vif.id;
    p.port = vif.port;
    proxy.receive(p);
  }
  void from_tunnel(Bytes frame, const char* vrf = "blue") {
    auto p = packet(frame, node.vrf(vrf));
    p.decap = DecapId(0);
    proxy.receive(p);
  }
  /// The single frame that was sent since the last call, and where to.
  std::string answer(std::optional<PortId> port) {
    auto sent = std::exchange(node.plane.sent, {});
    if (sent.size() != 1) return std::to_string(sent.size()) + " frames";
    if (port) {
      const auto* to = std::get_if<Injection::ToPort>(&sent[0].target);
      if (to == nullptr || to->port != *port) return "to somewhere else";
    } else {
      const auto* to = std::get_if<Injection::IntoTunnel>(&sent[0].target);
      if (to == nullptr || to->nexthop != node.tunnel_nexthop("to-b")) return "to somewhere else";
    }
    return to_hex(sent[0].frame);
  }
  /// Whether the last messages were dropped for this reason alone, and unanswered.
  bool dropped(DropReason reason, unsigned count = 1) {
    const auto drops = std::exchange(node.plane.drops, {});
    return node.plane.sent.empty() && drops == std::map<DropReason, unsigned>{{reason, count}};
  }
};

TEST_CASE("VMs hear the router's MAC for the gateway and for whatever is routed") {
  Proxy p;
  const auto port = p.node.vif("vm1").port;
  p.from_vif("vm1", hex(vm_asks_gateway));
  CHECK(p.answer(port) == gateway_for_vm);
  p.from_vif("vm1", hex(vm_asks_remote));
  CHECK(p.answer(port) == remote_for_vm);
  p.from_vif("vm1", hex(vm_probes_gateway));
  CHECK(p.answer(port) == gateway_for_probe);
  p.from_vif("vm1", hex(vm_solicits_gateway));
  CHECK(p.answer(port) == advertised_to_vm);
  p.from_vif("vm1", hex(vm_solicits_from_link_local));
  CHECK(p.answer(port) == advertised_to_link_local);
  p.from_vif("vm1", hex(dad_for_gateway));
  CHECK(p.answer(port) == advertised_to_all);
  CHECK(p.node.plane.drops.empty());
}

TEST_CASE("what has no route, is discarded or is the VM's own gets no answer") {
  Proxy p;
  // scapy: vm1 asks for 10.1.0.77 (no route) and 10.9.0.1 (discard), probes 10.1.0.11 and announces
  // it, asks for 224.0.0.1, and probes fd00:1::11 and its link-local address (DAD).
  for (const char* text :
       {"ffffffffffff020000000101080600010800060400010200000001010a01000b0000000000000a01004d",
        "ffffffffffff020000000101080600010800060400010200000001010a01000b0000000000000a090001",
        "ffffffffffff02000000010108060001080006040001020000000101000000000000000000000a01000b",
        "ffffffffffff020000000101080600010800060400010200000001010a01000b0000000000000a01000b",
        "ffffffffffff020000000101080600010800060400010200000001010a01000b000000000000e0000001",
        "3333ff00000102000000010186dd6000000000183aff00000000000000000000000000000000ff020000000000"
        "0000000001ff00001187007d8400000000fd000001000000000000000000000011",
        "3333ff00000102000000010186dd6000000000183aff00000000000000000000000000000000ff020000000000"
        "0000000001ff00000187007c2500000000fe80000000000000000000fffe000101"}) {
    p.from_vif("vm1", hex(text));
    CHECK(p.dropped(DropReason::neighbour_not_ours));
  }
}

TEST_CASE("a default route does not make the proxy answer for the VM's own addresses") {
  Proxy p;
  REQUIRE(p.node.resolver.put_route(route("blue", "0.0.0.0/0", via_tunnel("to-far")), Owner::api));
  REQUIRE(p.node.resolver.put_route(route("blue", "::/0", via_tunnel("to-far")), Owner::api));
  for (const char* text :
       {"ffffffffffff02000000010108060001080006040001020000000101000000000000000000000a01000b",
        "ffffffffffff020000000101080600010800060400010200000001010a01000b000000000000ffffffff",
        "3333ff00000102000000010186dd6000000000183aff00000000000000000000000000000000ff020000000000"
        "0000000001ff00001187007d8400000000fd000001000000000000000000000011",
        "3333ff00000102000000010186dd6000000000183aff00000000000000000000000000000000ff020000000000"
        "0000000001ff00000187007c2500000000fe80000000000000000000fffe000101"}) {
    p.from_vif("vm1", hex(text));
    CHECK(p.dropped(DropReason::neighbour_not_ours));
  }
  // 10.1.0.77 is routed now.
  p.from_vif(
      "vm1",
      hex("ffffffffffff020000000101080600010800060400010200000001010a01000b0000000000000a01004d"));
  CHECK(p.answer(p.node.vif("vm1").port) ==
        "02000000010102005e0001010806000108000604000202005e0001010a01004d0200000001010a01000b");
}

TEST_CASE("who claims to be somebody else is dropped, unless the vif may") {
  Proxy p;
  // scapy: 10.1.0.22 from vm1; the MAC of vm2 inside an ARP of vm1; the same by ND.
  const auto wrong_ip =
      hex("ffffffffffff020000000101080600010800060400010200000001010a0100160000000000000a010001");
  const auto wrong_mac =
      hex("ffffffffffff020000000101080600010800060400010200000001020a01000b0000000000000a010001");
  p.from_vif("vm1", wrong_ip);
  CHECK(p.dropped(DropReason::spoofed_ip));
  p.from_vif("vm1", wrong_mac);
  CHECK(p.dropped(DropReason::spoofed_mac));
  p.from_vif(
      "vm1",
      hex("3333ff00000102000000010186dd6000000000203afffd000001000000000000000000000022ff0200000000"
          "00"
          "0000000001ff00000187007c7600000000fd0000010000000000000000000000010101020000000101"));
  CHECK(p.dropped(DropReason::spoofed_ip));
  p.from_vif(
      "vm1",
      hex("3333ff00000102000000010286dd6000000000203afffd000001000000000000000000000011ff0200000000"
          "00"
          "0000000001ff00000187007c8600000000fd0000010000000000000000000000010101020000000102"));
  CHECK(p.dropped(DropReason::spoofed_mac));
  // vm2 has anti_spoofing: false.
  p.from_vif("vm2", hex(vm_asks_gateway));
  CHECK(p.answer(p.node.vif("vm2").port) == gateway_for_vm);
}

TEST_CASE("routes that look up in another VRF count, unless they go round in a circle") {
  Proxy p;
  auto& resolver = p.node.resolver;
  REQUIRE(resolver.put_route(route("blue", "10.2.0.0/16", via_vrf("red")), Owner::api));
  REQUIRE(resolver.put_route(route("red", "10.2.0.0/16", via_tunnel("to-far")), Owner::api));
  p.from_vif("vm1", hex(vm_asks_remote));
  CHECK(p.answer(p.node.vif("vm1").port) == remote_for_vm);
  REQUIRE(resolver.put_route(route("red", "10.2.0.0/16", via_vrf("blue")), Owner::api));
  p.from_vif("vm1", hex(vm_asks_remote));
  CHECK(p.dropped(DropReason::neighbour_not_ours));
}

TEST_CASE("what is only announced is never answered") {
  Proxy p;
  // scapy: vm2, which may be anybody, announces 10.1.0.12; it is routed to to-b.
  p.from_vif(
      "vm2",
      hex("ffffffffffff020000000102080600010800060400010200000001020a01000c0000000000000a01000c"));
  CHECK(p.dropped(DropReason::neighbour_not_ours));
  REQUIRE(p.node.resolver.put_route(route("blue", "0.0.0.0/0", via_tunnel("to-b")), Owner::api));
  p.from_tunnel(
      hex("ffffffffffff02005e0002020806000108000604000102005e000202000000000000000000000a010001"));
  CHECK(p.dropped(DropReason::neighbour_not_ours));
}

TEST_CASE("VRFs do not hear of each other") {
  Proxy p;
  // scapy: vm3, in red, asks for vm2's address in blue.
  p.from_vif(
      "vm3",
      hex("ffffffffffff020000000103080600010800060400010200000001030a01000b0000000000000a010016"));
  CHECK(p.dropped(DropReason::neighbour_not_ours));
}

TEST_CASE("questions out of a tunnel are answered into it") {
  Proxy p;
  p.from_tunnel(hex(remote_asks_gateway));
  CHECK(p.answer(std::nullopt) == gateway_for_remote);
  p.from_tunnel(hex(remote_asks_vm));
  CHECK(p.answer(std::nullopt) == vm_for_remote);

  // scapy: for what is elsewhere; from whom no tunnel leads to; announced; probed; a reply.
  for (const char* text :
       {"ffffffffffff02005e0002020806000108000604000102005e0002020a01000c0000000000000a020505",
        "ffffffffffff02005e0002020806000108000604000102005e0002020a01004d0000000000000a010001",
        "ffffffffffff02005e0002020806000108000604000102005e0002020a0100160000000000000a010001",
        "ffffffffffff02005e0002020806000108000604000102005e0002020a01000c0000000000000a01000c",
        "ffffffffffff02005e0002020806000108000604000102005e000202000000000000000000000a010001",
        "02005e00010102005e0001010806000108000604000202005e0001010a01000102005e0001010a01000c"}) {
    p.from_tunnel(hex(text));
    CHECK(p.dropped(DropReason::neighbour_not_ours));
  }
  // A tunnel of bare packets leads back: no frame goes into that.
  TunnelConfig bare = tunnel("bare", "192.0.2.1", "192.0.2.2", 102);
  bare.profile.kind = TunnelKind::geneve;
  bare.profile.destination_port = 6081;
  bare.profile.payload = TunnelPayload::ip;
  REQUIRE(p.node.resolver.put_tunnel(bare, Owner::api));
  REQUIRE(p.node.resolver.put_route(route("blue", "10.1.0.13/32", via_tunnel("bare")), Owner::api));
  p.from_tunnel(
      hex("ffffffffffff02005e0002020806000108000604000102005e0002020a01000d0000000000000a010001"));
  CHECK(p.dropped(DropReason::neighbour_not_ours));
  // red has no tunnel to 10.1.0.12.
  p.from_tunnel(hex(remote_asks_gateway), "red");
  CHECK(p.dropped(DropReason::neighbour_not_ours));
}

TEST_CASE("a solicitation out of a tunnel is answered into it") {
  Proxy p;
  REQUIRE(
      p.node.resolver.put_route(route("blue", "fd00:1::12/128", via_tunnel("to-b")), Owner::api));
  p.from_tunnel(hex(
      "3333ff00000102005e00020286dd6000000000203afffd000001000000000000000000000012ff020000000000"
      "0000000001ff00000187001d8500000000fd000001000000000000000000000001010102005e000202"));
  CHECK(p.answer(std::nullopt) ==
        "02005e00020202005e00010186dd6000000000203afffd000001000000000000000000000001fd000001000000"
        "00000000000000001288003d88e0000000fd000001000000000000000000000001020102005e000101");
}

TEST_CASE("what is cut or lies is counted as malformed") {
  Proxy p;
  unsigned count = 0;
  for (const char* text : {vm_asks_gateway, vm_solicits_gateway}) {
    const auto whole = hex(text);
    for (std::size_t size = 0; size < whole.size(); ++size, ++count) {
      const weft::test::ExactCopy cut{std::span(whole).first(size)};
      p.from_vif("vm1", cut.get());
    }
  }
  CHECK(p.dropped(DropReason::neighbour_malformed, count));
  auto frame = hex(vm_solicits_gateway);
  frame[14 + 7] = 64;  // a hop limit that says it came from afar
  p.from_vif("vm1", frame);
  CHECK(p.dropped(DropReason::neighbour_malformed));
}

}  // namespace
}  // namespace weft::agent::proxy_test
