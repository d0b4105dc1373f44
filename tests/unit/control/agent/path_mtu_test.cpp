// What ICMP of the underlay says of the paths to tunnels' remotes, and what of it is believed.
#include "agent/path_mtu.hpp"

#include <catch2/catch.hpp>

#include "node.hpp"
#include "support/frame_edit.hpp"
#include "support/hex.hpp"
#include "support/naive.hpp"

namespace weft::agent::path_mtu_test {
namespace {

using namespace test;
using Packet = weft::test::Bytes;
using weft::test::hex;
using weft::test::naive_checksum;
using weft::test::naive_pseudo_sum;
using weft::test::with16;

/// A node whose tunnel to-b sends, and what the tunnels' next hops are told to do.
struct Underlay : Node {
  PathMtu path_mtu{model, resolver, clock};

  [[nodiscard]] const nexthop::Tunnel& tunnel(const char* name = "to-b") const {
    return std::get<nexthop::Tunnel>(plane.tables.nexthops.at(tunnel_nexthop(name)));
  }
  bool receive(const Packet& packet, VrfId vrf = underlay_vrf) {
    PuntedPacket punted;
    punted.kind = PuntClass::local;
    punted.vrf = vrf;
    punted.frame = packet;
    return path_mtu.receive(punted);
  }
  void sent(const Packet& packet, const char* name = "to-b") {
    path_mtu.sent({tunnel_nexthop(name), static_cast<std::uint16_t>(weft::test::get16(packet, 2)),
                   std::span(packet).first(std::min<std::size_t>(packet.size(), 128))});
  }
  [[nodiscard]] bool unchanged() const {
    return tunnel().path_mtu_bytes == 0xffff && tunnel("to-far").path_mtu_bytes == 0xffff;
  }
};

/// An outer VXLAN packet of `bytes` bytes from 192.0.2.1 to 192.0.2.2, of which the first 128 are
/// here.
Packet outer(std::size_t bytes = 1500, std::size_t number = 0x1234, std::size_t port = 50000) {
  Packet packet = hex("4500000000004000401100 00c0000201c0000202000012b5000000000800000000006400");
  packet.resize(128, 0x5a);
  packet = with16(with16(with16(std::move(packet), 2, bytes), 4, number), 20, port);
  packet = with16(std::move(packet), 24, bytes - 20);
  return with16(packet, 10, naive_checksum(std::span(packet).first(20)));
}

/// An error from 198.51.100.1 that quotes the first `size` bytes of `packet`.
Packet too_big(const Packet& packet, std::size_t mtu, std::size_t size = 28) {
  Packet icmp = with16(hex("0304000000000000"), 6, mtu);
  icmp.insert(icmp.end(), packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
  icmp = with16(icmp, 2, naive_checksum(icmp));
  Packet error = hex("45c0000000000000400100 00c6336401c0000201");
  error = with16(error, 2, error.size() + icmp.size());
  error = with16(error, 10, naive_checksum(error));
  error.insert(error.end(), icmp.begin(), icmp.end());
  return error;
}

}  // namespace

TEST_CASE("an error that quotes a packet which was sent lowers the MTU, for a while", "[pmtu]") {
  for (const std::size_t quoted : {28U, 60U, 128U}) {
    CAPTURE(quoted);
    Underlay node;
    // The first one has what is sent watched.
    CHECK(node.receive(too_big(outer(), 1400, quoted)));
    CHECK(node.unchanged());
    CHECK(node.tunnel().watch_bytes == 1400);
    CHECK_FALSE(node.tunnel("to-far").watch_bytes);
    node.sent(outer(1480, 7));
    node.sent(outer(1500, 8));
    // Routers change TTL, traffic class and the checksum.
    Packet passed = outer(1500, 8);
    passed[1] = 0x03;
    passed[8] = 61;
    passed = with16(std::move(passed), 10, 0xabcd);
    CHECK(node.receive(too_big(passed, 1400, quoted)));
    CHECK(node.tunnel().path_mtu_bytes == 1400);
    CHECK_FALSE(node.tunnel().watch_bytes);
    CHECK(node.path_mtu.counters().learned == 1);
    CHECK(node.tunnel("to-far").path_mtu_bytes == 0xffff);
    CHECK(path_mtu(node.model, node.model.tunnels.find("to-b")->second) == 1400);
    node.now += std::chrono::minutes(9);
    node.path_mtu.tick();
    CHECK(node.tunnel().path_mtu_bytes == 1400);
    node.now += std::chrono::minutes(1);
    node.path_mtu.tick();
    CHECK(node.unchanged());
  }
}

TEST_CASE("an error about what was not sent changes nothing", "[pmtu]") {
  Underlay node;
  node.receive(too_big(outer(), 1400));
  node.sent(outer(1500, 8));
  for (const Packet& forged :
       {outer(1500, 9), outer(1499, 8), outer(1500, 8, 50001), with16(outer(1500, 8), 24, 1)}) {
    CHECK(node.receive(too_big(forged, 1400)));
    CHECK(node.unchanged());
  }
  Packet inside = outer(1500, 8);
  inside[100] = 0;
  CHECK(node.receive(too_big(inside, 1400, 128)));
  CHECK(node.unchanged());
  CHECK(node.path_mtu.counters().learned == 0);
  // What nobody has confirmed is over after a while, and so is what was remembered.
  node.now += PathMtu::watch_time;
  node.path_mtu.tick();
  CHECK_FALSE(node.tunnel().watch_bytes);
  node.receive(too_big(outer(1500, 8), 1400));
  CHECK(node.unchanged());
}

TEST_CASE("what is no such error, or about no tunnel, is left to others", "[pmtu]") {
  Underlay node;
  const Packet good = too_big(outer(), 1400);
  CHECK_FALSE(node.receive(good, node.vrf("blue")));
  Packet damaged = good;
  damaged.back() ^= 1;  // checksum
  CHECK_FALSE(node.receive(damaged));
  CHECK_FALSE(node.receive(too_big(outer(), 1400, 27)));
  const auto altered = [](std::size_t offset, std::size_t value) {
    return too_big(with16(outer(), offset, value), 1400);
  };
  CHECK_FALSE(node.receive(altered(14, 0x0209)));  // from another address
  CHECK_FALSE(node.receive(altered(18, 0x0209)));  // to another remote
  CHECK_FALSE(node.receive(altered(22, 4790)));    // to another port
  CHECK_FALSE(node.receive(altered(20, 49151)));   // by a port that is not the tunnel's
  CHECK_FALSE(node.receive(altered(0, 0x4600)));   // with options, which none has
  CHECK_FALSE(node.tunnel().watch_bytes);
}

TEST_CASE("a path's MTU has a floor, and only falls until it ages", "[pmtu]") {
  const auto learned = [](std::size_t bytes, std::size_t mtu) {
    Underlay node;
    node.receive(too_big(outer(bytes), mtu));
    node.sent(outer(bytes, 8));
    node.receive(too_big(outer(bytes, 8), mtu));
    return node.tunnel().path_mtu_bytes;
  };
  CHECK(learned(1500, 68) == 576);
  CHECK(learned(1500, 0) == 1492);  // an old router does not say: RFC 1191's plateaus
  CHECK(learned(1492, 0) == 1006);
  CHECK(learned(900, 0) == 576);
  CHECK(learned(1400, 1400) == 0xffff);  // it would have fitted
  Underlay node;
  for (const std::size_t mtu : {1400U, 1450U, 1300U}) {
    node.receive(too_big(outer(), mtu));
    node.sent(outer(1500, mtu));
    node.receive(too_big(outer(1500, mtu), mtu));
    CHECK(node.tunnel().path_mtu_bytes == (mtu == 1450 ? 1400 : mtu));
  }
}

TEST_CASE("what is watched and remembered is bounded", "[pmtu]") {
  Underlay node;
  node.receive(too_big(outer(), 1400));
  for (std::size_t i = 0; i <= PathMtu::remembered; ++i) node.sent(outer(1500, i));
  node.receive(too_big(outer(1500, 0), 1400));  // long ago
  CHECK(node.unchanged());
  node.receive(too_big(outer(1500, 1), 1400));
  CHECK(node.tunnel().path_mtu_bytes == 1400);
}

TEST_CASE("a tunnel that is given another remote has another path", "[pmtu]") {
  Underlay node;
  node.receive(too_big(outer(), 1400));
  node.sent(outer(1500, 8));
  node.receive(too_big(outer(1500, 8), 1400));
  REQUIRE(node.tunnel().path_mtu_bytes == 1400);
  // A neighbour's answer changes nothing of it.
  (void)node.resolver.put_neighbour({node.port("fab0"), ip("192.0.2.2")}, mac("02:00:00:00:00:02"));
  CHECK(node.tunnel().path_mtu_bytes == 1400);
  (void)node.resolver.put_tunnel(agent::test::tunnel("to-b", "192.0.2.1", "192.0.2.3", 100),
                                 Owner::file);
  CHECK(node.tunnel().path_mtu_bytes == 0xffff);
}

TEST_CASE("over IPv6 the error quotes what is inside", "[pmtu]") {
  Config config = sample_node();
  config.tunnels.push_back(tunnel("to-b6", "2001:db8::1", "2001:db8::2", 100));
  Underlay node;
  (void)node.resolver.put_tunnel(config.tunnels.back(), Owner::file);
  const auto packet = [](std::uint8_t inside) {
    Packet bytes =
        hex("600000000000114020010db800000000000000000000000120010db8000000000000000000000002"
            "c35012b5000000000800000000006400");
    bytes.resize(128, inside);
    return with16(std::move(bytes), 4, 1460);
  };
  const auto error = [](const Packet& quoted, std::size_t mtu) {
    Packet icmp = with16(hex("0200000000000000"), 6, mtu);
    icmp.insert(icmp.end(), quoted.begin(), quoted.end());
    const auto sum = naive_pseudo_sum(ip("2001:db8:9::1"), ip("2001:db8::1"), 58,
                                      static_cast<std::uint32_t>(icmp.size()));
    icmp = with16(icmp, 2, naive_checksum(icmp, sum));
    Packet bytes =
        hex("600000000000 3a4020010db800090000000000000000000120010db8000000000000000000000001");
    bytes = with16(std::move(bytes), 4, icmp.size());
    bytes.insert(bytes.end(), icmp.begin(), icmp.end());
    return bytes;
  };
  CHECK(node.receive(error(packet(1), 1279)));  // below what IPv6 has everywhere
  CHECK_FALSE(node.tunnel("to-b6").watch_bytes);
  CHECK(node.receive(error(packet(1), 1400)));
  CHECK(node.tunnel("to-b6").watch_bytes == 1400);
  const Packet large = packet(2);
  node.path_mtu.sent({node.tunnel_nexthop("to-b6"), 1500, large});
  CHECK(node.receive(error(packet(1), 1400)));
  CHECK(node.tunnel("to-b6").path_mtu_bytes == 0xffff);
  Packet passed = large;
  passed[1] = 0x30;  // ECN
  passed[7] = 60;
  CHECK(node.receive(error(passed, 1400)));
  CHECK(node.tunnel("to-b6").path_mtu_bytes == 1400);
}

}  // namespace weft::agent::path_mtu_test
