// Tenants never mix, and a tunnel packet enters only where a decap profile names it.
#include <catch2/catch.hpp>

#include "support/stage_case.hpp"

namespace weft::vrf_test {
namespace {

/// VRF `from` and those behind it lead to the next one by default; the last leads to VM 1.
Batch chain(std::uint32_t lookups) {
  Batch batch;
  for (std::uint32_t i = 0; i < lookups; ++i) {
    const VrfId vrf(100 + i);
    const NexthopId nexthop(200 + i);
    batch.vrfs.push_back({vrf, Vrf{}});
    batch.nexthops.push_back({nexthop, nexthop::Lookup{vrf}});
    const VrfId before = i == 0 ? world::blue : VrfId(99 + i);
    batch.routes.push_back({before, prefix("10.20.0.0/16"), nexthop});
  }
  batch.routes.push_back({VrfId(99 + lookups), prefix("10.20.0.0/16"), world::deliver_vm3});
  return batch;
}

/// What the profiles of the world make of peer_udp4 with these fields.
std::string fate_of(const std::string& vni, const std::string& port, const std::string& source,
                    const std::string& destination) {
  if (destination != "c0000201") return "transmitted";  // through the underlay, closed
  const bool usual = port == "12b5" && (vni == "000064" || vni == "0000c8" || vni == "000065");
  const bool other_port = port == "2118" && vni == "000064";
  if (port == "12b6") return "punted";  // to the router itself, and no tunnel
  if (!usual && !other_port) return "dropped: decap_unknown_vni";
  if (source != "c0000202" && source != "c00002fe") return "dropped: decap_source_unlisted";
  // The red VRF has another router MAC.
  return vni == "0000c8" || other_port ? "dropped: inner_mac_unknown" : "transmitted";
}

const Bytes to_chain = with_ipv4(packets::vm1_udp4, at::ip, 16, "0a140001");

}  // namespace

TEST_CASE("what a chain of VRFs ends with is told in the VRF where it began", "[vrf]") {
  Rig rig(world::batch());
  Batch batch = chain(2);
  batch.nexthops.push_back({NexthopId(300), nexthop::Discard{}});
  batch.routes.push_back({VrfId(101), prefix("10.20.9.0/24"), NexthopId(300)});
  rig.apply(batch);
  const Outcome dead =
      rig.receive(world::vm1, with_ipv4(packets::vm1_udp4, at::ip, 16, "0a140901"));
  REQUIRE(dead.exit == test::Exit::punted);
  REQUIRE(dead.reason == DropReason::discard_route);
  REQUIRE(dead.metadata.vrf == world::blue);
}

TEST_CASE("equal addresses in two VRFs never mix", "[vrf]") {
  Rig rig(world::batch());
  // The VMs of both tenants send the same packet; each leaves by its own tunnel.
  const Outcome blue = rig.receive(world::vm1, hex(packets::vm1_udp4));
  const Outcome red = rig.receive(world::vm2, hex(packets::vm2_udp4));
  REQUIRE(blue.frame == hex(packets::vm1_udp4_in_v4));
  REQUIRE(red.frame == hex(packets::vm2_udp4_in_v4));
  // The same packet out of both tunnels reaches each its own VM.
  REQUIRE(rig.receive(world::fabric, hex(packets::peer_udp4)).port == world::vm1);
  REQUIRE(rig.receive(world::fabric, hex(packets::peer_red)).port == world::vm2);
  // What blue has and red has not.
  const Bytes in = with(with(packets::vm1_local4, 0, "02005e000201"), 6, "020000000201");
  REQUIRE(describe(rig.receive(world::vm1, hex(packets::vm1_local4))) == "transmitted");
  REQUIRE(describe(rig.receive(world::vm2, in)) == "punted: no_route");
}

TEST_CASE("a tenant's router answers to its own MAC alone", "[vrf]") {
  Rig rig(world::batch());
  REQUIRE(describe(rig.receive(world::vm2, with(packets::vm2_udp4, 0, "02005e000101"))) ==
          "dropped: l2_destination_unknown");
  REQUIRE(
      describe(rig.receive(world::fabric, with(packets::peer_red, at::inner, "02005e000101"))) ==
      "dropped: inner_mac_unknown");
}

TEST_CASE("a tenant can reach the underlay neither by address nor by tunnel", "[vrf]") {
  Rig rig(world::batch());
  // To the router's own tunnel address, as if it were a VXLAN packet of the red tenant.
  const Bytes outer = hex(packets::peer_red);
  Bytes forged(outer.begin() + at::ip, outer.end());
  forged = test::with_ipv4(std::move(forged), 0, 12, "0a01000b");
  const Bytes ethernet = hex("02005e000101 020000000101 0800");
  forged.insert(forged.begin(), ethernet.begin(), ethernet.end());
  REQUIRE(describe(rig.receive(world::vm1, forged)) == "punted: no_route");
  Batch leak;
  leak.routes = {{world::blue, prefix("192.0.2.0/24"), world::lookup_underlay}};
  rig.apply(leak);
  const Outcome outcome = rig.receive(world::vm1, forged);
  REQUIRE(describe(outcome) == "punted");
  REQUIRE(outcome.metadata.kind == PuntClass::local);
}

TEST_CASE("decapsulated is what a profile names, all of it", "[vrf]") {
  // Every combination of VNI, port, destination and source; the profiles of the world by hand.
  Rig rig(world::batch());
  const char* vnis[] = {"000064", "0000c8", "000065", "000066", "000000", "ffffff"};
  const char* ports[] = {"12b5", "2118", "12b6"};
  const char* sources[] = {"c0000202", "c00002fe", "c0000302", "0a01000c"};
  const char* destinations[] = {"c0000201", "c0000202", "c6336405"};
  for (const std::string vni : vnis) {
    for (const std::string port : ports) {
      for (const std::string source : sources) {
        for (const std::string destination : destinations) {
          Bytes packet = with(with(packets::peer_udp4, at::vni, vni), at::udp + 2, port);
          packet = with_ipv4(with(std::move(packet), at::ip + 12, source), at::ip, 16, destination);
          const Outcome outcome = rig.receive(world::fabric, packet);
          const std::string fate = fate_of(vni, port, source, destination);
          CAPTURE(vni, port, source, destination);
          REQUIRE(describe(outcome) == fate);
          if (destination != "c0000201") REQUIRE(outcome.port == world::fabric);
          if (fate == "transmitted" && destination == "c0000201") {
            REQUIRE(outcome.port == world::vm1);
          }
        }
      }
    }
  }
}

TEST_CASE("a tunnel of the wrong family or address is nobody's", "[vrf]") {
  Rig rig(world::batch());
  // VNI 102 exists over IPv6 only, 101 over IPv4 only.
  REQUIRE(describe(rig.receive(world::fabric, with(packets::peer_udp4, at::vni, "000066"))) ==
          "dropped: decap_unknown_vni");
  Bytes v6 = with(packets::peer6_unchecked_udp4, at::udp_v6 + 8 + 4, "000065");
  REQUIRE(describe(rig.receive(world::fabric, v6)) == "dropped: decap_unknown_vni");
  // To another of the router's addresses.
  Batch more;
  more.local_addresses = LocalAddresses{{ip("192.0.2.1"), ip("192.0.2.3"), ip("2001:db8::1")}};
  rig.apply(more);
  REQUIRE(
      describe(rig.receive(world::fabric, with_ipv4(packets::peer_udp4, at::ip, 16, "c0000203"))) ==
      "dropped: decap_unknown_vni");
}

TEST_CASE("a chain of lookups is followed, up to its bound", "[vrf]") {
  for (std::uint32_t lookups = 1; lookups <= 4; ++lookups) {
    Rig rig(world::batch());
    rig.apply(chain(lookups));
    const Outcome outcome = rig.receive(world::vm1, to_chain);
    CAPTURE(lookups);
    REQUIRE(describe(outcome) == "transmitted");
    REQUIRE(outcome.port == world::vm3);
  }
  Rig rig(world::batch());
  rig.apply(chain(5));
  REQUIRE(describe(rig.receive(world::vm1, to_chain)) == "dropped: lookup_loop");
}

TEST_CASE("lookups that lead round in a circle end", "[vrf]") {
  Rig rig(world::batch());
  Batch circle;
  circle.routes = {{world::blue, prefix("10.20.0.0/16"), world::lookup_red},
                   {world::red, prefix("10.20.0.0/16"), world::lookup_blue}};
  rig.apply(circle);
  REQUIRE(describe(rig.receive(world::vm1, to_chain)) == "dropped: lookup_loop");
  circle.routes = {{world::blue, prefix("10.20.0.0/16"), world::lookup_blue}};
  rig.apply(circle);
  REQUIRE(describe(rig.receive(world::vm1, to_chain)) == "dropped: lookup_loop");
}

TEST_CASE("a chain of lookups can end in nothing, or in a VRF that is gone", "[vrf]") {
  Rig rig(world::batch());
  Batch batch;
  batch.routes = {{world::blue, prefix("10.20.0.0/16"), world::lookup_red}};
  rig.apply(batch);
  REQUIRE(describe(rig.receive(world::vm1, to_chain)) == "punted: no_route");
  Batch gone;
  gone.vrfs = {{world::red, std::nullopt}};
  rig.apply(gone);
  REQUIRE(describe(rig.receive(world::vm1, to_chain)) == "dropped: vrf_missing");
}

TEST_CASE("a decap next hop that delivers to a VIF is not kept for the tunnel inside", "[vrf]") {
  // A VIF of the underlay, and inside its tunnel another one, of the blue tenant.
  Rig rig(world::batch());
  Batch batch;
  Vif vif;
  vif.port = world::vm2;
  vif.vrf = world::underlay;
  batch.vifs = {{VifId(2), vif}};
  Decap decap = test::decap_of(300, world::deliver_vm2);
  batch.decaps = {{world::decap_nested, decap}};
  rig.apply(batch);
  const Bytes packet = [] {
    // The outermost two of nested_4 are of VNI 300; what follows is one of VNI 100.
    Bytes nested = hex(packets::nested_4);
    const Bytes inner = hex(packets::peer_udp4);
    Bytes out(nested.begin(), nested.begin() + at::inner + 14);
    out.insert(out.end(), inner.begin() + at::ip, inner.end());
    const std::size_t size = out.size();
    out = test::with16(std::move(out), at::udp + 4, size - at::udp);
    out = test::with16(std::move(out), at::ip + 2, size - at::ip);
    return test::with_ipv4_checksum(std::move(out));
  }();
  const Outcome outcome = rig.receive(world::fabric, packet);
  INFO(describe(outcome));
  // VNI 100 leads into the blue VRF and so to VM 1, or the packet belongs to the VIF as it is.
  const bool to_vm1 = outcome.port == world::vm1 && outcome.frame == hex(packets::peer_udp4_out);
  const bool whole_to_vif = outcome.port == world::vm2 && outcome.frame.size() == 14 + 82;
  CHECK((to_vm1 || whole_to_vif));
}

}  // namespace weft::vrf_test
