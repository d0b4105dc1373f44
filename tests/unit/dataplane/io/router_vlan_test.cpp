// Ports with VLANs, alone and several on one device, on a whole data plane.
#include <catch2/catch.hpp>

#include "support/frame_edit.hpp"
#include "support/packets_fabric.hpp"
#include "support/router_rig.hpp"

namespace weft::io::router_vlan_test {
namespace {

using test::hex;
using test::tagged;

constexpr std::uint16_t vlan = 100;
constexpr std::string_view tag = "81000064";
constexpr std::string_view tag_with_priority = "8100b064";
constexpr std::string_view other_tag = "810000c8";

/// The fabric port has VLAN 100 of its device, `other` VLAN 200, `plain` what is in none; what is
/// put out of `plain` comes back to the device as it is.
struct Trunk : Pair {
  explicit Trunk(bool one_queue = false)
      : Pair(true, false, vlan, one_queue),
        other(open("other", one_queue, 200, fabric_device)),
        plain(open("plain", one_queue, 0, fabric_device)) {
    Port port;
    port.mac = test::mac("02:00:00:00:0f:01");
    more.ports = {{other, port}, {plain, port}};
    apply(more);
  }
  ~Trunk() {
    apply(test::without(more));
    for (const PortId port : {other, plain}) (void)router().close_port(port);
  }
  void arrive(const Bytes& frame, unsigned times = 1) const {
    for (unsigned i = 0; i < times; ++i) {
      REQUIRE(router().inject({Injection::ToPort{plain}, frame}));
    }
  }
  PortId other;
  PortId plain;
  Batch more;
};

std::vector<std::string> texts(const ExplainReport& report, std::string_view stage) {
  std::vector<std::string> found;
  for (const auto& step : report.steps) {
    if (step.stage == stage) found.push_back(step.text);
  }
  return found;
}

TEST_CASE("frames leave with the tag of their port, and those with it arrive there") {
  Trunk trunk(GENERATE(false, true));
  CaptureRequest request;
  request.ports = {trunk.fabric};
  const auto capture = router().start_capture(request);
  const auto trace = router().start_trace({{trunk.fabric, trunk.vm}, {}, 16});
  REQUIRE((capture && trace));
  trunk.arrive(tagged(packets::peer_udp4, tag_with_priority));
  REQUIRE(trunk.see([&] { return !trunk.seen.traces.empty(); }));
  const ExplainReport in = trunk.seen.traces[0];
  CHECK(trunk.seen.traced_at[0] == trunk.fabric);
  CHECK(in.verdict == "transmit");
  CHECK(in.port == trunk.vm);
  CHECK(in.frame == test::with(packets::peer_udp4_out, 6, "020000000f01"));
  CHECK(in.steps.front().stage == "input");
  CHECK(texts(in, "input") == std::vector<std::string>{"VLAN 100"});
  CHECK(texts(in, "transmit").empty());

  trunk.from_vm(packets::vm1_udp4);
  const auto at_vm = [&] {
    std::vector<ExplainReport> found;
    for (std::size_t i = 0; i < trunk.seen.traces.size(); ++i) {
      if (trunk.seen.traced_at[i] == trunk.vm && trunk.seen.traces[i].verdict == "transmit") {
        found.push_back(trunk.seen.traces[i]);
      }
    }
    return found;
  };
  REQUIRE(trunk.see([&] { return at_vm().size() == 1; }));
  const ExplainReport out = at_vm()[0];
  const auto whole = tagged(packets::vm1_udp4_in_v4, tag);
  const auto same_but_port = [&](Bytes frame) {
    REQUIRE(frame.size() == whole.size());
    frame[38] = whole[38];  // the UDP source port, which a secret chooses
    frame[39] = whole[39];
    return frame == whole;
  };
  CHECK(same_but_port(out.frame));
  CHECK(texts(out, "transmit") == std::vector<std::string>{"VLAN 100"});
  CHECK(texts(out, "input").empty());

  // The frame that left has come back to the device, and by its tag to the port.
  REQUIRE(trunk.see([&] { return trunk.seen.frames.size() == 3; }));
  const auto frame_at = [&](std::size_t i) { return trunk.seen.frames[i]; };
  CHECK(frame_at(0).bytes == tagged(packets::peer_udp4, tag_with_priority));
  CHECK(frame_at(0).frame.point == CapturePoint::in);
  CHECK(frame_at(0).frame.port == trunk.fabric);
  unsigned out_frames = 0;
  for (std::size_t i : {1U, 2U}) {
    CHECK(same_but_port(frame_at(i).bytes));
    CHECK(frame_at(i).frame.frame_bytes == whole.size());
    out_frames += frame_at(i).frame.point == CapturePoint::out ? 1 : 0;
  }
  CHECK(out_frames == 1);
  router().stop_observer(*capture);
  router().stop_observer(*trace);
  // Counters leave the tag out.
  CHECK(counters_of(trunk.fabric).tx.packets == 1);
  CHECK(counters_of(trunk.fabric).tx.bytes == whole.size() - 4);
  CHECK(counters_of(trunk.fabric).rx.packets == 2);
  CHECK(counters_of(trunk.fabric).rx.bytes == whole.size() - 4 + hex(packets::peer_udp4).size());
  CHECK(counters_of(trunk.other).rx.packets == 0);
  CHECK(counters_of(trunk.plain).rx.packets == 0);
}

TEST_CASE("frames in a burst go each to its port, in their order") {
  Trunk trunk;
  const auto unknown = drops(DropReason::vlan_unknown);
  constexpr unsigned rounds = 40;
  CaptureRequest request;
  request.ports = {trunk.fabric};
  request.out = false;
  const auto capture = router().start_capture(request);
  REQUIRE(capture);
  for (unsigned i = 0; i < rounds; ++i) {
    Bytes numbered = tagged(packets::peer_udp4, tag);
    numbered[22] =
        static_cast<std::uint8_t>(i + 1);  // IPv4 identification; the checksum is wrong now
    trunk.arrive(numbered);
    trunk.arrive(tagged(packets::peer_udp4, other_tag));
    trunk.arrive(hex(packets::peer_udp4));
    trunk.arrive(tagged(packets::peer_udp4, "81000000"));
    trunk.arrive(tagged(packets::peer_udp4, "81000065"));
  }
  CHECK(within(15, [&] {
    return counters_of(trunk.fabric).rx.packets == 2 * rounds &&
           counters_of(trunk.other).rx.packets == rounds &&
           counters_of(trunk.plain).rx.packets == 2 * rounds;
  }));
  // All but the numbered ones and those of VLAN 101 reach the VM, whose ring gives them back.
  CHECK(within(15, [&] { return counters_of(trunk.vm).tx.packets == 3 * rounds; }));
  CHECK(drops(DropReason::vlan_unknown) == unknown + rounds);
  REQUIRE(trunk.see([&] { return trunk.seen.frames.size() == 2 * rounds; }));
  std::vector<unsigned> numbers;
  unsigned refused = 0;
  for (const auto& frame : trunk.seen.frames) {
    if (frame.bytes[15] == 0x64) numbers.push_back(frame.bytes[22]);
    if (frame.bytes == tagged(packets::peer_udp4, "81000065")) ++refused;
  }
  CHECK(refused == rounds);  // shown, and counted, at the first of the device's ports
  REQUIRE(numbers.size() == rounds);
  CHECK(std::is_sorted(numbers.begin(), numbers.end()));
  router().stop_observer(*capture);
}

TEST_CASE("explain sorts a frame as the device does") {
  const auto explain = [](PortId port, const Bytes& frame) {
    return router().explain({port, frame});
  };
  {
    Trunk trunk;
    for (const PortId port : {trunk.fabric, trunk.other}) {  // whichever of the device's is named
      const auto report = explain(port, tagged(packets::peer_udp4, tag));
      CHECK(report.verdict == "transmit");
      CHECK(report.port == trunk.vm);
      CHECK(texts(report, "input") == std::vector<std::string>{"VLAN 100"});
    }
    CHECK(explain(trunk.fabric, hex(packets::peer_udp4)).verdict == "transmit");
    const auto refused = explain(trunk.fabric, tagged(packets::peer_udp4, "81000065"));
    CHECK(refused.verdict == "drop");
    CHECK(refused.reason == DropReason::vlan_unknown);
    const auto sent = explain(trunk.vm, hex(packets::vm1_udp4));
    CHECK(sent.port == trunk.fabric);
    CHECK(sent.frame.size() == hex(packets::vm1_udp4_in_v4).size() + 4);
    constexpr std::size_t to_ports = 38;
    const Bytes whole = tagged(packets::vm1_udp4_in_v4, tag);
    CHECK(Bytes(sent.frame.begin(), sent.frame.begin() + to_ports) ==
          Bytes(whole.begin(), whole.begin() + to_ports));
  }
  Pair alone(true, false, vlan);
  CHECK(explain(alone.fabric, tagged(packets::peer_udp4, tag)).verdict == "transmit");
  const auto missing = explain(alone.fabric, hex(packets::peer_udp4));
  CHECK(missing.verdict == "drop");
  CHECK(missing.reason == DropReason::vlan_missing);
  CHECK(missing.steps.front().stage == "input");
}

TEST_CASE("ports on one device must be told apart, and be alike in what is the device's") {
  Trunk trunk;
  const auto refusal = [&](PortRequest request) {
    request.device = trunk.fabric_device;
    request.name = "more";
    const auto opened = router().open_port(request);
    REQUIRE_FALSE(opened);
    return opened.error().message;
  };
  CHECK(refusal({.name = {}, .device = {}, .mac = {}, .vlan = vlan}) ==
        "more (device `" + trunk.fabric_device + "`): VLAN 100 is that of fabric; choose another");
  const std::string alike = "MTU and queues must be those of fabric";
  CHECK(
      refusal({.name = {}, .device = {}, .mac = {}, .mtu_bytes = 1400, .vlan = 300}).find(alike) !=
      std::string::npos);
  CHECK(refusal({.name = {}, .device = {}, .mac = {}, .vlan = 300, .shared_queues = true})
            .find(alike) != std::string::npos);
}

TEST_CASE("a device stays as long as one of its ports does") {
  Pair pair(true, false, vlan);
  const PortId other = Pair::open("other", false, 200, pair.fabric_device);
  REQUIRE(other.index() != pair.fabric.index());
  REQUIRE(router().close_port(other));
  Pair::reclaim();
  pair.from_vm(packets::vm1_udp4);
  CHECK(within(2, [&] { return counters_of(pair.fabric).rx.packets == 1; }));
  const PortId again = Pair::open("again", false, 200, pair.fabric_device);
  CHECK(again.index() == other.index());
  CHECK(again != other);
  REQUIRE(router().close_port(again));
}

}  // namespace
}  // namespace weft::io::router_vlan_test
