// A whole data plane on DPDK's ring devices: ports that go and come, traces, captures, the stages'
// clocks.
#include <catch2/catch.hpp>

#include "support/router_rig.hpp"

namespace weft::io::router_test {
namespace {

using test::hex;

/// As scapy says the packet leaves, but for the UDP source port, which a secret chooses.
Bytes without_source_port(Bytes frame) {
  if (frame.size() > 36) frame[34] = frame[35] = 0;
  return frame;
}

/// `tcpdump -dd udp port 2000`
PacketFilter udp_port_2000() {
  PacketFilter filter;
  constexpr std::uint32_t program[][4] = {
      {0x28, 0, 0, 0x0000000c},  {0x15, 0, 6, 0x000086dd},   {0x30, 0, 0, 0x00000014},
      {0x15, 0, 15, 0x00000011}, {0x28, 0, 0, 0x00000036},   {0x15, 12, 0, 0x000007d0},
      {0x28, 0, 0, 0x00000038},  {0x15, 10, 11, 0x000007d0}, {0x15, 0, 10, 0x00000800},
      {0x30, 0, 0, 0x00000017},  {0x15, 0, 8, 0x00000011},   {0x28, 0, 0, 0x00000014},
      {0x45, 6, 0, 0x00001fff},  {0xb1, 0, 0, 0x0000000e},   {0x48, 0, 0, 0x0000000e},
      {0x15, 2, 0, 0x000007d0},  {0x48, 0, 0, 0x00000010},   {0x15, 0, 1, 0x000007d0},
      {0x6, 0, 0, 0x00040000},   {0x6, 0, 0, 0x00000000}};
  for (const auto& [code, jt, jf, k] : program) {
    filter.instructions.push_back(code | std::uint64_t{jt} << 16 | std::uint64_t{jf} << 24 |
                                  std::uint64_t{k} << 32);
  }
  return filter;
}

TEST_CASE("a port that is closed lets go of its packets, and its index starts anew") {
  Pair pair(false);  // nobody answers on the fabric
  const unsigned before = free_buffers();
  const PortId other = Pair::open("other");
  const PortId old = pair.fabric;
  const auto missing = drops(DropReason::port_missing);

  pair.from_vm(packets::vm1_udp4, 5);
  REQUIRE(pair.see([] { return held() == 5; }));
  Pair::send(old, packets::vm1_udp4, 3);
  REQUIRE(within(2, [&] { return counters_of(old).rx.packets == 3; }));

  Pair::apply(test::without(pair.world));
  pair.world.ports.clear();
  REQUIRE(router().close_port(old));
  pair.fabric = {};
  CHECK(within(2, [] { return held() == 0; }));
  CHECK(drops(DropReason::port_missing) == missing + 5);
  // What is on its way there dies; what goes elsewhere arrives.
  Pair::send(old, packets::vm1_udp4, 2);
  Pair::send(other, packets::vm1_udp4, 4);
  CHECK(within(2, [&] { return drops(DropReason::port_missing) == missing + 7; }));
  CHECK(within(2, [&] { return counters_of(other).tx.packets == 4; }));
  CHECK_FALSE(router().close_port(old));

  Pair::reclaim();
  const PortId anew = Pair::open("anew");
  REQUIRE(anew.index() == old.index());
  CHECK(counters_of(anew).rx.packets == 0);
  CHECK(counters_of(anew).tx.packets == 0);
  CHECK(counters_of(anew).tx.bytes == 0);
  Port port;
  port.mac = test::mac("02:00:00:00:0f:01");
  Batch again;
  again.vrfs = {{VrfId(0), Vrf{port.mac}}};
  again.ports = {{anew, port}};
  Pair::apply(again);
  Pair::send(anew, packets::vm1_udp4);
  CHECK(within(2, [&] { return counters_of(anew).rx.packets == 1; }));
  CHECK(counters_of(anew).tx.packets == 1);
  // What control meant for the old one does not leave by the new one.
  Pair::send(old, packets::vm1_udp4);
  CHECK(within(2, [&] { return drops(DropReason::port_missing) == missing + 8; }));
  CHECK(counters_of(anew).tx.packets == 1);

  Pair::apply(test::without(again));
  REQUIRE(router().close_port(anew));
  REQUIRE(router().close_port(other));
  Pair::reclaim();
  // `other` had no place in the tables, so what looped back to it waited in its ring.
  CHECK(within(2, [&] { return free_buffers() + 4 >= before; }));
}

TEST_CASE("one burst in many is measured, stage by stage") {
  Pair pair;
  pair.from_vm(packets::vm1_udp4, 600);
  const auto parsed = [] {
    StageCount sum;
    for (const auto& worker : router().counters().workers) {
      REQUIRE(worker.stages.size() == stage_names.size());
      sum.packets += worker.stages[0].packets;
      sum.cycles += worker.stages[0].cycles;
    }
    return sum;
  };
  CHECK(within(15, [&] { return parsed().packets > 0 && parsed().cycles > 0; }));
  CHECK(within(15, [&] { return counters_of(pair.vm).rx.packets == 600; }));
  const auto worker = router().counters().workers.front();
  CHECK(worker.stages.front().stage == "parse");
  CHECK(worker.stages.back().stage == "transmit");
}

TEST_CASE("a trace follows the next packets that match, and no more") {
  Pair pair;
  const auto id = router().start_trace({{pair.vm}, udp_port_2000(), 2});
  REQUIRE(id);
  pair.from_vm(packets::vm1_tcp6);  // does not match
  pair.from_vm(packets::vm1_udp4, 5);
  REQUIRE(pair.see([&] { return pair.seen.traces.size() == 2; }));
  for (const auto& report : pair.seen.traces) {
    CHECK(report.verdict == "transmit");
    CHECK(report.port == pair.fabric);
    CHECK(without_source_port(report.frame) == without_source_port(hex(packets::vm1_udp4_in_v4)));
    std::vector<std::string> stages;
    for (const auto& step : report.steps) stages.push_back(step.stage);
    CHECK(stages == std::vector<std::string>{"parse", "resolve", "rewrite", "encap", "output"});
  }
  CHECK(pair.seen.traced_at == std::vector<PortId>{pair.vm, pair.vm});
  // Those that were followed travelled as the others did.
  CHECK(within(2, [&] { return counters_of(pair.fabric).tx.packets == 6; }));
  CHECK(router().stop_observer(*id).taken == 2);
}

TEST_CASE("a trace tells why a packet died") {
  Pair pair;
  const auto id = router().start_trace({{}, {}, 1});
  REQUIRE(id);
  auto stray = hex(packets::vm1_udp4);
  stray[5] ^= 1;
  REQUIRE(router().inject({Injection::ToPort{pair.vm}, stray}));
  REQUIRE(pair.see([&] { return pair.seen.traces.size() == 1; }));
  CHECK(pair.seen.traces[0].verdict == "drop");
  CHECK(pair.seen.traces[0].reason == DropReason::l2_destination_unknown);
  router().stop_observer(*id);
}

TEST_CASE("a capture copies what arrives, leaves and dies, byte for byte") {
  Pair pair;
  CaptureRequest request;
  request.ports = {pair.vm};
  request.out = false;
  const auto in = router().start_capture(request);
  request.ports = {pair.fabric};
  request.in = false;
  request.out = true;
  request.snap_bytes = 40;
  const auto out = router().start_capture(request);
  request = {};
  request.in = request.out = false;
  request.dropped = true;
  request.reason = DropReason::l2_destination_unknown;
  const auto dropped = router().start_capture(request);
  REQUIRE((in && out && dropped));

  auto stray = hex(packets::vm1_tcp6);
  stray[5] ^= 1;
  REQUIRE(router().inject({Injection::ToPort{pair.vm}, stray}));
  pair.from_vm(packets::vm1_udp4);
  const auto of = [&](ObserverId id) {
    std::vector<Seen::Frame> frames;
    for (const auto& frame : pair.seen.frames) {
      if (frame.frame.capture == id) frames.push_back(frame);
    }
    return frames;
  };
  // The stray one, and what came back from the fabric's ring, which is not for this router.
  REQUIRE(pair.see(
      [&] { return of(*in).size() == 2 && of(*out).size() == 1 && of(*dropped).size() == 2; }));
  CHECK(of(*in)[0].bytes == stray);
  CHECK(of(*in)[0].frame.point == CapturePoint::in);
  CHECK(of(*in)[1].bytes == hex(packets::vm1_udp4));
  CHECK(of(*in)[1].frame.port == pair.vm);
  const auto whole = hex(packets::vm1_udp4_in_v4);
  const auto sent = of(*out)[0];
  CHECK(sent.frame.point == CapturePoint::out);
  CHECK(sent.frame.frame_bytes == whole.size());
  CHECK(without_source_port(sent.bytes) ==
        without_source_port(Bytes(whole.begin(), whole.begin() + 40)));
  CHECK(of(*dropped)[0].bytes == stray);
  CHECK(of(*dropped)[0].frame.reason == DropReason::l2_destination_unknown);
  CHECK(without_source_port(of(*dropped)[1].bytes) == without_source_port(whole));
  for (const auto id : {*in, *out, *dropped}) {
    const auto status = router().stop_observer(id);
    CHECK(status.taken == of(id).size());
    CHECK(status.lost == 0);
  }
}

TEST_CASE("a dropped frame is captured as it arrived, whatever the stages did to it") {
  Pair pair;
  Batch silent;
  silent.nexthops = {{NexthopId(2), test::tunnel_to("192.0.2.2", 100, {})}};
  Pair::apply(silent);
  CaptureRequest request;
  request.in = request.out = false;
  request.dropped = true;
  request.filter = udp_port_2000();
  const auto id = router().start_capture(request);
  REQUIRE(id);
  pair.from_vm(packets::vm1_tcp6);
  pair.from_vm(packets::vm1_udp4);
  REQUIRE(pair.see([&] { return pair.seen.frames.size() == 1; }));
  CHECK(pair.seen.frames[0].bytes == hex(packets::vm1_udp4));
  CHECK(pair.seen.frames[0].frame.reason == DropReason::tunnel_unresolved);
  CHECK(pair.seen.frames[0].frame.port == pair.vm);
  router().stop_observer(*id);
}

TEST_CASE("nothing is captured or traced for whom has stopped, not even what waits") {
  Pair pair;
  const auto id = router().start_capture({{pair.vm}, {}});
  REQUIRE(id);
  pair.seen.on_frame = [&] { router().stop_observer(*id); };
  pair.from_vm(packets::vm1_udp4, 20);
  REQUIRE(within(2, [&] { return router().observer_status(*id).taken >= 20; }));
  REQUIRE(pair.see([&] { return !pair.seen.frames.empty(); }));
  pair.from_vm(packets::vm1_udp4, 20);
  REQUIRE(within(2, [&] { return counters_of(pair.vm).rx.packets == 40; }));
  router().drain_events(pair.seen);
  CHECK(pair.seen.frames.size() == 1);
  CHECK(router().observer_status(*id).taken == 0);
}

TEST_CASE("a capture that nobody reads loses and counts, and hinders nobody") {
  Pair pair;
  CaptureRequest request;
  request.ports = {pair.vm};
  request.out = false;
  const auto id = router().start_capture(request);
  REQUIRE(id);
  Bytes large = hex(packets::vm1_udp4);
  large.resize(1514);  // padded: travels as the small one
  std::uint64_t sent = 0;
  while (router().observer_status(*id).lost == 0 && sent < 20000) {
    for (unsigned i = 0; i < 32; ++i) {
      REQUIRE(router().inject({Injection::ToPort{pair.vm}, large}));
    }
    sent += 32;
    REQUIRE(within(15, [&] { return counters_of(pair.fabric).tx.packets == sent; }));
  }
  const auto status = router().stop_observer(*id);
  CHECK(status.taken == sent);
  CHECK(status.lost > 0);
}

TEST_CASE("observers are bounded, and refused with the reason") {
  Pair pair;
  std::vector<ObserverId> ids;
  for (std::size_t i = 0; i < max_observers; ++i) {
    const auto id = router().start_trace({});
    REQUIRE(id);
    ids.push_back(*id);
  }
  const auto more = router().start_capture({});
  REQUIRE_FALSE(more);
  CHECK(more.error().message.find("end one of them first") != std::string::npos);
  for (const auto id : ids) router().stop_observer(id);
  CHECK_FALSE(router().start_trace({{PortId(31)}, {}, 1}));
  CHECK_FALSE(router().start_trace({{PortId(32)}, {}, 1}));
  PacketFilter bad;
  bad.instructions = {0xffff};  // no instruction
  CHECK_FALSE(router().start_trace({{}, bad, 1}));
}

TEST_CASE("control hears of what policies deny, and of what waited for a glean before") {
  Pair pair;
  const auto with_policy = [&](const Policy& policy) {
    const auto compiled = router().compile(policy);
    REQUIRE(compiled);
    Batch batch;
    batch.vrfs = {{VrfId(1), pair.world.vrfs[1].object}};
    batch.vrfs[0].object->flows = true;
    batch.policies = {{PolicyId(1), *compiled}};
    batch.vifs = pair.world.vifs;
    batch.vifs[0].object->policy = PolicyId(1);
    return batch;
  };
  PolicyRules nothing;
  PolicyRules anything{{}, PolicyAction::allow};
  Batch batch = with_policy({anything, anything});
  batch.routes = {{VrfId(1), test::prefix("10.1.0.0/16"), NexthopId(4)}};
  Pair::apply(batch);
  pair.from_vm(packets::vm1_udp4);
  REQUIRE(pair.see([] { return held() == 1; }));
  // What it waits for is found, and its VIF may not send any more.
  batch = with_policy({nothing, anything});
  batch.adjacencies = {{AdjacencyId(2), test::adjacency_on(pair.fabric, "10.1.0.12",
                                                           test::mac("02:00:00:00:0f:12"))}};
  batch.nexthops = {{NexthopId(6), nexthop::Interface{AdjacencyId(2)}}};
  batch.routes = {{VrfId(1), test::prefix("10.1.0.12/32"), NexthopId(6)}};
  const auto before = drops(DropReason::policy_egress_denied);
  Pair::apply(batch);
  CHECK(pair.see([&] { return pair.seen.denied.size() == 1; }));
  pair.from_vm(packets::vm1_udp4);
  CHECK(pair.see([&] { return pair.seen.denied.size() == 2; }));
  CHECK(drops(DropReason::policy_egress_denied) == before + 2);
  CHECK(held() == 0);
  for (const DeniedPacket& packet : pair.seen.denied) {
    CHECK(packet.by == PolicyDecision{VifId(1), true, std::nullopt, PolicyAction::deny});
    CHECK(packet.source == test::ip("10.1.0.11"));
    CHECK(packet.destination_port == 2000);
  }
  Batch gone;
  gone.policies = {{PolicyId(1), std::nullopt}};
  gone.routes = {{VrfId(1), test::prefix("10.1.0.12/32"), NexthopId{}}};
  gone.nexthops = {{NexthopId(6), std::nullopt}};
  gone.adjacencies = {{AdjacencyId(2), std::nullopt}};
  gone.vifs = pair.world.vifs;
  Pair::apply(gone);
}

}  // namespace
}  // namespace weft::io::router_test
