// The MSS of what opens a TCP connection, by the ways that its packets take.
#include <catch2/catch.hpp>

#include <optional>

#include "support/stage_case.hpp"

namespace weft::clamp_test {
namespace {

constexpr std::size_t tcp_bytes = 20;
constexpr std::uint8_t syn = 0x02;
constexpr std::uint8_t syn_ack = 0x12;

bool is_v4(const Bytes& frame, std::size_t ip) { return frame.at(ip) >> 4 == 4; }
std::size_t tcp_at(const Bytes& frame, std::size_t ip) { return ip + (is_v4(frame, ip) ? 20 : 40); }

/// The sum over TCP and its pseudo header: 0xffff where the checksum is right.
std::uint16_t tcp_sum(const Bytes& frame, std::size_t ip) {
  const std::size_t tcp = tcp_at(frame, ip);
  const std::size_t addresses = is_v4(frame, ip) ? ip + 12 : ip + 8;
  Bytes summed(frame.begin() + static_cast<std::ptrdiff_t>(addresses), frame.end());
  const std::size_t length = frame.size() - tcp;
  summed.resize(summed.size() + summed.size() % 2);
  for (const std::size_t word : {length, std::size_t{6}}) {
    summed.push_back(static_cast<std::uint8_t>(word >> 8));
    summed.push_back(static_cast<std::uint8_t>(word));
  }
  return test::naive_sum(summed);
}

/// `packet`, a TCP segment without options in the IP packet at `ip`, with these flags and options
/// and no data, all lengths and checksums right. `outer`: whether it is in VXLAN.
Bytes opening(std::string_view packet, std::size_t ip, std::uint8_t flags,
              std::string_view options) {
  Bytes bytes = hex(packet);
  const Bytes words = hex(options);
  const std::size_t tcp = tcp_at(bytes, ip);
  bytes.resize(tcp + tcp_bytes);
  bytes.insert(bytes.end(), words.begin(), words.end());
  bytes[tcp + 12] = static_cast<std::uint8_t>((tcp_bytes + words.size()) / 4 << 4);
  bytes[tcp + 13] = flags;
  const std::size_t total = bytes.size() - ip;
  bytes = is_v4(bytes, ip) ? with_ipv4_checksum(with16(std::move(bytes), ip + 2, total), ip)
                           : with16(std::move(bytes), ip + 4, total - 40);
  bytes = with16(std::move(bytes), tcp + 16, 0);
  const std::uint16_t sum = tcp_sum(bytes, ip);
  bytes = with16(std::move(bytes), tcp + 16, static_cast<std::uint16_t>(~sum));
  if (ip == at::ip) return bytes;
  bytes = with_ipv4_checksum(with16(bytes, at::ip + 2, bytes.size() - at::ip));
  return with16(bytes, at::udp + 4, bytes.size() - at::udp);
}

/// How the packets of this file are altered on their way beside TTL: the MSS at `offset` of the
/// options, if it is changed at all.
std::uint16_t mss_of(const Bytes& frame, std::size_t ip, std::size_t offset) {
  return test::get16(frame, tcp_at(frame, ip) + tcp_bytes + offset);
}

constexpr MssClamp automatic{MssClamp::Mode::automatic, 0};
constexpr MssClamp fixed(std::uint16_t bytes) { return {MssClamp::Mode::fixed, bytes}; }

/// The world with clamps at its tunnel to 192.0.2.2 and at the VIF of vm1.
Rig rig_with(MssClamp tunnel, MssClamp vif = {}) {
  Batch batch = world::batch();
  for (auto& change : batch.nexthops) {
    if (change.id == world::tunnel4) {
      std::get<nexthop::Tunnel>(*change.object).profile.mss_clamp = tunnel;
    }
  }
  for (auto& change : batch.vifs) {
    if (change.id == VifId(world::vm1.index())) change.object->mss_clamp = vif;
  }
  return Rig(batch);
}

struct Way {
  std::string_view packet;
  PortId from;
  std::size_t ip;      ///< of the TCP segment's packet, as it arrives
  std::size_t out_ip;  ///< and as it leaves
  std::uint8_t flags;
  std::uint16_t fits;  ///< MTU 1500 without 50 bytes of outer header, IP and TCP
};
const Way to_vm6{packets::peer_tcp6, world::fabric, at::inner_ip, at::ip, syn_ack, 1390};
const Way from_vm6{packets::vm1_tcp6, world::vm1, at::ip, at::inner_ip, syn, 1390};

/// The MSS with which the way's packet leaves, everything else being right.
std::uint16_t passes(Rig& rig, const Way& way, std::string_view options, std::size_t offset) {
  const Bytes in = opening(way.packet, way.ip, way.flags, options);
  const Outcome out = rig.receive(way.from, in);
  REQUIRE(describe(out) == "transmitted");
  REQUIRE(out.frame.size() - way.out_ip == in.size() - way.ip);
  REQUIRE(tcp_sum(out.frame, way.out_ip) == 0xffff);
  // Beside the MSS and the checksum nothing of the segment is another.
  Bytes segment(out.frame.begin() + static_cast<std::ptrdiff_t>(tcp_at(out.frame, way.out_ip)),
                out.frame.end());
  const Bytes before(in.begin() + static_cast<std::ptrdiff_t>(tcp_at(in, way.ip)), in.end());
  const std::uint16_t mss = mss_of(out.frame, way.out_ip, offset);
  if (mss != mss_of(in, way.ip, offset)) {
    segment = with16(with16(segment, 16, test::get16(before, 16)), tcp_bytes + offset,
                     test::get16(before, tcp_bytes + offset));
  }
  REQUIRE(segment == before);
  return mss;
}

/// The IPv4 packet of vm1 to 10.1.0.12, which goes by the tunnel.
Bytes syn4(std::string_view options) {
  return opening(to_hex(with_ipv4(packets::vm1_tcp4, at::ip, 16, "0a01000c")), at::ip, syn,
                 options);
}

}  // namespace

TEST_CASE("a tunnel's clamp lowers the MSS of both directions to what fits", "[mss]") {
  Rig rig = rig_with(automatic);
  for (const Way& way : {from_vm6, to_vm6}) {
    CAPTURE(way.flags);
    CHECK(passes(rig, way, "020405a0", 2) == way.fits);
    CHECK(passes(rig, way, "0204ffff0402080a0000000100000000", 2) == way.fits);
    CHECK(passes(rig, way, "01010402020405a0", 6) == way.fits);
    // At an odd place it lies across two words of the checksum.
    CHECK(passes(rig, way, "01020405a0010101", 3) == way.fits);
    CHECK(passes(rig, way, "0204056e", 2) == way.fits);  // just so
    CHECK(passes(rig, way, "02040218", 2) == 0x218);     // lower already
    CHECK(rig.counters().sizes[std::size_t(SizeEvent::mss_lowered)].get() == 0);
  }
  const Outcome out = rig.receive(world::vm1, syn4("020405b4"));
  CHECK(mss_of(out.frame, at::inner_ip, 2) == 1500 - 50 - 40);
  CHECK(tcp_sum(out.frame, at::inner_ip) == 0xffff);
  CHECK(rig.counters().sizes[static_cast<std::size_t>(SizeEvent::mss_lowered)].get() == 1);
}

TEST_CASE("a tunnel by several neighbours is clamped by what fits each", "[mss]") {
  constexpr AdjacencyId ways{40};
  constexpr AdjacencyId second{41};
  Adjacency both;
  both.buckets = {world::to_peer, second};
  both.mtu_bytes = 1400;
  Batch batch = world::batch();
  batch.adjacencies.push_back(
      {second, test::adjacency_on(world::fabric, "192.0.2.3", test::mac("02:00:00:00:aa:02"))});
  batch.adjacencies.push_back({ways, both});
  for (auto& change : batch.nexthops) {
    if (change.id != world::tunnel4) continue;
    auto& tunnel = std::get<nexthop::Tunnel>(*change.object);
    tunnel.profile.mss_clamp = automatic;
    tunnel.adjacency = ways;
  }
  Rig rig(batch);
  for (const Way& way : {from_vm6, to_vm6}) CHECK(passes(rig, way, "020405a0", 2) == 1290);
}

TEST_CASE("of the clamps at both ends the lowest counts, and none where none is asked for",
          "[mss]") {
  struct Case {
    MssClamp tunnel;
    MssClamp vif;
    std::uint16_t mss;
  };
  for (const Case& c : {Case{{}, {}, 1440}, Case{fixed(1300), {}, 1300},
                        Case{{}, fixed(1200), 1200}, Case{fixed(1300), fixed(1200), 1200},
                        Case{fixed(1200), fixed(1300), 1200}, Case{{}, automatic, 1390},
                        Case{fixed(1300), automatic, 1300}, Case{automatic, fixed(1420), 1390}}) {
    CAPTURE(c.mss);
    Rig rig = rig_with(c.tunnel, c.vif);
    for (const Way& way : {from_vm6, to_vm6}) CHECK(passes(rig, way, "020405a0", 2) == c.mss);
  }
}

TEST_CASE("a clamp follows the MTU of the way", "[mss]") {
  Rig rig = rig_with(automatic);
  Batch change;
  Adjacency narrow =
      test::adjacency_on(world::fabric, "192.0.2.2", MacAddress{{2, 0, 0, 0, 15, 2}});
  narrow.mtu_bytes = 1400;
  change.adjacencies = {{world::to_peer, narrow}};
  rig.apply(change);
  for (const Way& way : {from_vm6, to_vm6}) CHECK(passes(rig, way, "020405a0", 2) == 1290);
}

TEST_CASE("one member that asks for it is enough for what several share", "[mss]") {
  Rig rig = rig_with(automatic);
  Batch change;
  change.nexthops = {{NexthopId(60), nexthop::Ecmp{{world::via_peer, world::tunnel4}}}};
  change.routes = {{world::blue, prefix("fd00:1::12/128"), NexthopId(60)}};
  rig.apply(change);
  CHECK(passes(rig, to_vm6, "020405a0", 2) == 1390);
}

TEST_CASE("what does not open a connection keeps its bytes", "[mss]") {
  Rig rig = rig_with(fixed(100));
  const Way ack{packets::vm1_tcp6, world::vm1, at::ip, at::inner_ip, 0x10, 0};
  CHECK(passes(rig, ack, "020405a0", 2) == 0x5a0);
  const auto untouched = [&](Bytes in) {
    const Outcome out = rig.receive(world::vm1, in);
    REQUIRE(describe(out) == "transmitted");
    return Bytes(out.frame.begin() + at::inner_ip + 20, out.frame.end()) ==
           Bytes(in.begin() + at::ip + 20, in.end());
  };
  CHECK_FALSE(untouched(syn4("020405b4")));
  CHECK(untouched(with_ipv4(syn4("020405b4"), at::ip, 6, "2000")));  // a first piece
  CHECK(untouched(with_ipv4(syn4("020405b4"), at::ip, 6, "0001")));  // a later one
  CHECK(untouched(with_ipv4(syn4("020405b4"), at::ip, 9, "84")));    // SCTP
}

TEST_CASE("broken options are left alone, and what stands behind them", "[mss]") {
  Rig rig = rig_with(fixed(100));
  for (const std::string_view options :
       {"02040000", "020305a002040000", "020605a000000000", "0200020405a00000", "0801020405a00000",
        "08ff020405a00000", "0101010201010102", "00020405a0000000", "0101010801010102", "0101050a",
        "01010102"}) {
    CAPTURE(options);
    const Bytes in = syn4(options);
    const Outcome out = rig.receive(world::vm1, in);
    REQUIRE(describe(out) == "transmitted");
    CHECK(Bytes(out.frame.begin() + at::inner_ip + 20, out.frame.end()) ==
          Bytes(in.begin() + at::ip + 20, in.end()));
  }
  // A data offset that lies: into the header, beyond the packet.
  for (const auto offset : {"00", "40", "70", "f0"}) {
    CAPTURE(offset);
    const Bytes in = with(syn4("020405b4"), at::ip + 20 + 12, offset);
    const Outcome out = rig.receive(world::vm1, in);
    REQUIRE(describe(out) == "transmitted");
    CHECK(Bytes(out.frame.begin() + at::inner_ip + 20, out.frame.end()) ==
          Bytes(in.begin() + at::ip + 20, in.end()));
  }
}

}  // namespace weft::clamp_test
