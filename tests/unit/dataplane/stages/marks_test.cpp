// Marks of decaps: what packets say by reserved bits, and under whom they count then.
#include <catch2/catch.hpp>

#include "support/stage_case.hpp"
#include "support/tunnel_loop.hpp"

namespace weft::marks_test {
namespace {

constexpr DecapId bare_metal{60};
constexpr DecapId metal{61};
constexpr DecapId gateway{62};

/// Of the last byte, of its upper half, and of the flags.
const std::vector<DecapMark> marks{{"bare-metal", 0x51, 0xff},
                                   {"metal", 0x50, 0xf0},
                                   {"gateway", 0x8000000000000000, 0x8000000000000000}};
const std::vector<DecapId> ids{bare_metal, metal, gateway};

/// The world, where the decap `id` knows marks.
Rig rig_with_marks(DecapId id) {
  Batch batch = world::batch();
  for (auto& change : batch.decaps) {
    if (change.id != id) continue;
    change.object->marks = marks;
    change.object->mark_ids = ids;
  }
  return Rig(batch);
}

/// Packets that counted under the id and its marks, of the last that were sent: "2 0 1 0".
std::string counted(Rig& rig, DecapId id) {
  std::string text;
  for (const DecapId each : {id, bare_metal, metal, gateway}) {
    text += (text.empty() ? "" : " ") +
            std::to_string(rig.counters().decaps[each.index()].get().packets);
  }
  return text;
}

Bytes flagged(std::string_view packet) { return with(packet, at::vxlan, "88"); }
Bytes ending(std::string_view packet, std::string_view last) {
  return with(packet, at::vni + 3, last);
}

std::string told(const Outcome& outcome) {
  for (const ExplainStep& step : outcome.steps) {
    if (step.stage == "decap") return step.text;
  }
  return "";
}

}  // namespace

// The rig sends each packet the short way, the general one, and with all that flows need; it fails
// where they count differently.
TEST_CASE("a packet counts under the first mark that is in it, or the decap", "[marks]") {
  Rig rig = rig_with_marks(world::decap_blue);
  const auto sent = [&](const Bytes& frame) {
    CHECK(describe(rig.receive(world::fabric, frame)) == "transmitted");
    return counted(rig, world::decap_blue);
  };
  using packets::peer_udp4;
  CHECK(sent(hex(peer_udp4)) == "1 0 0 0");
  CHECK(sent(ending(peer_udp4, "51")) == "0 1 0 0");
  CHECK(sent(ending(peer_udp4, "50")) == "0 0 1 0");
  CHECK(sent(ending(peer_udp4, "5f")) == "0 0 1 0");
  CHECK(sent(ending(peer_udp4, "41")) == "1 0 0 0");
  CHECK(sent(flagged(peer_udp4)) == "0 0 0 1");
  CHECK(sent(with(flagged(peer_udp4), at::vni + 3, "51")) == "0 1 0 0");
  // Bits that no mark looks at, and another inner family.
  CHECK(sent(with(peer_udp4, at::vxlan, "7fffffff")) == "1 0 0 0");
  CHECK(sent(ending(packets::peer_tcp6, "51")) == "0 1 0 0");
  // All others pay no heed to reserved bits.
  CHECK(describe(rig.receive(world::fabric, ending(packets::peer_red, "51"))) == "transmitted");
  CHECK(counted(rig, world::decap_red) == "1 0 0 0");
}

TEST_CASE("packets of one tunnel with several marks count each for itself", "[marks]") {
  Rig rig = rig_with_marks(world::decap_blue);
  std::vector<Bytes> frames;
  for (unsigned i = 0; i < 8; ++i) {
    frames.push_back(hex(packets::peer_udp4));
    frames.push_back(ending(packets::peer_udp4, "51"));
    frames.push_back(ending(packets::peer_tcp6, "51"));
    frames.push_back(flagged(packets::peer_udp4));
  }
  rig.receive(world::fabric, frames);
  CHECK(counted(rig, world::decap_blue) == "8 16 0 8");
}

TEST_CASE("what a mark says is told, and kept with a packet that leaves the stages", "[marks]") {
  Rig rig = rig_with_marks(world::decap_blue);
  CHECK_THAT(told(rig.receive(world::fabric, ending(packets::peer_udp4, "51"))),
             Catch::EndsWith("decap 1; originator: bare-metal"));
  CHECK_THAT(told(rig.receive(world::fabric, hex(packets::peer_udp4))), Catch::EndsWith("decap 1"));
  // To the gateway, through the tunnel.
  const Bytes local = with_ipv4(ending(packets::peer_udp4, "51"), at::inner_ip, 16, "0a010001");
  const Outcome punted = rig.receive(world::fabric, local);
  REQUIRE(punted.exit == Exit::punted);
  CHECK(punted.metadata.decap == bare_metal);
}

TEST_CASE("what goes straight to a VIF does so with a mark, too", "[marks]") {
  Rig rig = rig_with_marks(world::decap_vm1);
  const Bytes straight = ending(packets::peer_deliver, "51");
  const Bytes by_route = with(straight, at::vni, "000064");  // the same, and no route takes it
  REQUIRE(rig.receive(world::fabric, straight).port == world::vm1);
  CHECK(counted(rig, world::decap_vm1) == "0 1 0 0");
  CHECK(describe(rig.receive(world::fabric, by_route)) == "punted: no_route");
  CHECK(rig.receive(world::fabric, straight).port == world::vm1);
}

TEST_CASE("marks change under their ids, and go", "[marks]") {
  Rig rig = rig_with_marks(world::decap_blue);
  Batch batch;
  Decap decap = rig.tables().decaps_by_id.get(world::decap_blue)->decap;
  decap.marks = {{"metal", 0x20, 0x20}};
  decap.mark_ids = {metal};
  batch.decaps = {{world::decap_blue, decap}};
  rig.apply(batch);
  rig.receive(world::fabric, ending(packets::peer_udp4, "51"));
  CHECK(counted(rig, world::decap_blue) == "1 0 0 0");
  rig.receive(world::fabric, ending(packets::peer_udp4, "71"));
  CHECK(counted(rig, world::decap_blue) == "0 0 1 0");
  decap.marks.clear();
  decap.mark_ids.clear();
  batch.decaps = {{world::decap_blue, decap}};
  rig.apply(batch);
  rig.receive(world::fabric, ending(packets::peer_udp4, "71"));
  CHECK(counted(rig, world::decap_blue) == "1 0 0 0");
}

TEST_CASE("a tunnel's reserved bits are those that a mark sees", "[marks]") {
  for (const TunnelKindInfo& info : tunnel_kinds) {
    if (reserved_bits(info.kind) == 0) continue;
    INFO(info.name);
    Loop loop = loop_of(info, info.payload, true);
    loop.profile.reserved = reserved_bits(info.kind);
    loop.decap.marks = {{"all", reserved_bits(info.kind), reserved_bits(info.kind)}};
    loop.decap.mark_ids = {metal};
    Rig rig(world::batch());
    rig.apply(batch_of(loop));
    const Outcome out = rig.receive(world::vm1, vm1_4);
    REQUIRE(describe(rig.receive(world::fabric, returned(out.frame))) == "transmitted");
    CHECK(counted(rig, back) == "0 0 1 0");
  }
}

}  // namespace weft::marks_test
