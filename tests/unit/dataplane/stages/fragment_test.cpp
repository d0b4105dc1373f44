// What leaves in pieces: before the tunnel, and as pieces of the outer packet.
#include <catch2/catch.hpp>

#include <map>
#include <numeric>
#include <set>

#include "support/eal_session.hpp"
#include "support/stage_case.hpp"

namespace weft::fragment_test {
namespace {

constexpr std::size_t header4 = 20;
constexpr std::uint16_t more_fragments = 0x2000;

/// vm1's datagram to 10.1.0.12, by the tunnel over IPv4, with `payload_bytes` of all sorts of bytes
/// behind its IP header, which has `options`; DF is clear.
Bytes datagram(std::size_t payload_bytes, std::string_view options = "",
               std::string_view destination = "0a01000c") {
  Bytes bytes = hex(packets::vm1_udp4);
  const Bytes words = hex(options);
  bytes.resize(at::ip + header4);
  bytes.insert(bytes.end(), words.begin(), words.end());
  const std::size_t header = header4 + words.size();
  bytes.resize(at::ip + header + payload_bytes);
  std::iota(bytes.begin() + static_cast<std::ptrdiff_t>(at::ip + header), bytes.end(),
            std::uint8_t{7});
  bytes[at::ip] = static_cast<std::uint8_t>(0x40 | header / 4);
  bytes =
      with(with16(std::move(bytes), at::ip + 2, header + payload_bytes), at::ip + 16, destination);
  return with_ipv4(std::move(bytes), at::ip, 6, "0000");
}

std::size_t header_bytes(const Bytes& frame, std::size_t ip) {
  return std::size_t{frame.at(ip)} % 16 * 4;
}
Bytes part(const Bytes& frame, std::size_t from, std::size_t to = ~std::size_t{0}) {
  return {frame.begin() + static_cast<std::ptrdiff_t>(from),
          frame.begin() + static_cast<std::ptrdiff_t>(std::min(to, frame.size()))};
}

/// Puts IPv4 pieces at `ip` of the frames together, in their order and by RFC 791 §3.2; checks what
/// each has to keep to. Answers the packet as it was, its checksum left out.
Bytes joined(const std::vector<Bytes>& frames, std::size_t ip, std::size_t most) {
  Bytes whole;
  const std::uint16_t start = test::get16(frames.at(0), ip + 6) & 0x1fff;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const Bytes& f = frames[i];
    const std::size_t header = header_bytes(f, ip);
    const std::size_t total = test::get16(f, ip + 2);
    CAPTURE(i, total);
    REQUIRE(total == f.size() - ip);
    REQUIRE(total <= most);
    REQUIRE(test::naive_checksum(std::span(f).subspan(ip, header)) == 0);
    const std::uint16_t place = test::get16(f, ip + 6);
    const std::size_t done = whole.empty() ? 0 : whole.size() - header_bytes(whole, 0);
    REQUIRE((place & 0x1fff) * std::size_t{8} == start * std::size_t{8} + done);
    if (i + 1 != frames.size()) {
      REQUIRE((place & more_fragments) != 0);
      REQUIRE((total - header) % 8 == 0);
    }
    REQUIRE(part(f, ip + 4, ip + 6) == part(frames[0], ip + 4, ip + 6));  // identification
    REQUIRE(part(f, ip + 8, ip + 10) == part(frames[0], ip + 8, ip + 10));
    REQUIRE(part(f, ip + 12, ip + 20) == part(frames[0], ip + 12, ip + 20));
    const Bytes add = part(f, ip + (i == 0 ? 0 : header));
    whole.insert(whole.end(), add.begin(), add.end());
  }
  whole = with16(whole, 2, whole.size());
  const std::uint16_t last = test::get16(frames.back(), ip + 6) & more_fragments;
  whole = with16(std::move(whole), 6, start | last);
  return with16(std::move(whole), 10, 0);
}

/// The IPv4 packet of a frame as the router sends it on, its checksum left out.
Bytes sent_on(const Bytes& frame) {
  Bytes packet = part(frame, at::ip);
  --packet[8];
  return with16(std::move(packet), 10, 0);
}

Rig rig_with_outer_fragmentation() {
  Batch batch = world::batch();
  for (auto& change : batch.nexthops) {
    auto* tunnel = std::get_if<nexthop::Tunnel>(&*change.object);
    if (tunnel != nullptr) tunnel->profile.outer_fragmentation = true;
  }
  return Rig(batch);
}

std::uint64_t count(const Rig& rig, SizeEvent event) {
  return rig.counters().sizes[static_cast<std::size_t>(event)].get();
}

/// The outer UDP datagram that the IPv6 pieces carry, its pseudo header's sum in front of it
/// included in the check of its checksum.
Bytes joined6(const std::vector<Bytes>& frames, std::size_t most) {
  Bytes payload;
  std::set<Bytes> numbers;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const Bytes& f = frames[i];
    CAPTURE(i);
    REQUIRE(f.size() - at::ip <= most);
    REQUIRE(test::get16(f, at::ip + 4) == f.size() - at::ip - 40);
    REQUIRE(f[at::ip + 6] == 44);
    const std::size_t fragment = at::ip + 40;
    REQUIRE(f[fragment] == 17);
    REQUIRE(f[fragment + 1] == 0);
    const bool last = i + 1 == frames.size();
    REQUIRE(test::get16(f, fragment + 2) == (payload.size() | (last ? 0U : 1U)));
    if (!last) REQUIRE((f.size() - fragment - 8) % 8 == 0);
    numbers.insert(part(f, fragment + 4, fragment + 8));
    const Bytes add = part(f, fragment + 8);
    payload.insert(payload.end(), add.begin(), add.end());
  }
  REQUIRE(numbers.size() == 1);
  return payload;
}

}  // namespace

TEST_CASE("a datagram that does not fit its tunnel goes in pieces, each in the tunnel",
          "[fragment]") {
  Rig rig(world::batch());
  for (const std::size_t payload : {1431U, 1432U, 2848U, 2849U, 4000U, 8980U}) {
    CAPTURE(payload);
    const Bytes in = datagram(payload);
    const auto frames = rig.pieces(world::vm1, {in});
    const std::size_t room = 1424;  // 1500 less 50 and 20, in whole eights
    REQUIRE(frames.size() == (payload + room - 1) / room);
    REQUIRE(joined(frames, at::inner_ip, 1450) == sent_on(in));
    for (const Bytes& frame : frames) {
      // The outer header is that of the whole: to its length and checksum, and its source port.
      REQUIRE(test::get16(frame, at::ip + 2) == frame.size() - at::ip);
      REQUIRE(test::naive_checksum(std::span(frame).subspan(at::ip, header4)) == 0);
      REQUIRE(part(frame, 0, at::ip + 2) == part(hex(packets::vm1_udp4_in_v4), 0, at::ip + 2));
      REQUIRE(part(frame, at::udp, at::udp + 4) ==
              part(hex(packets::vm1_udp4_in_v4), at::udp, at::udp + 4));
      REQUIRE(test::get16(frame, at::udp + 4) == frame.size() - at::udp);
      REQUIRE(part(frame, at::vxlan, at::inner_ip) ==
              part(hex(packets::vm1_udp4_in_v4), at::vxlan, at::inner_ip));
    }
    const auto tunnel = rig.counters().nexthops[world::tunnel4.index()].get();
    REQUIRE(tunnel.packets == frames.size());
    REQUIRE(tunnel.bytes == std::accumulate(frames.begin(), frames.end(), std::size_t{0},
                                            [](std::size_t sum, const Bytes& f) {
                                              return sum + f.size() - at::ip;
                                            }));
    REQUIRE(count(rig, SizeEvent::fragmented) == 1);
    REQUIRE(count(rig, SizeEvent::fragments_made) == frames.size());
    REQUIRE(count(rig, SizeEvent::outer_fragmented) == 0);
  }
  REQUIRE(rig.pieces(world::vm1, {datagram(1430)}).size() == 1);
  REQUIRE(count(rig, SizeEvent::fragmented) == 0);
}

TEST_CASE("pieces have the source port of the flow, as its whole packets do", "[fragment]") {
  Batch batch = world::batch();
  for (auto& change : batch.nexthops) {
    auto* tunnel = std::get_if<nexthop::Tunnel>(&*change.object);
    if (tunnel != nullptr) tunnel->profile.source_ports = PortRange{};
  }
  Rig rig(batch);
  std::set<std::uint16_t> all;
  for (unsigned flow = 0; flow < 16; ++flow) {
    const Bytes large = with16(datagram(4000), at::udp, 1000 + flow);
    const Bytes small = with16(datagram(100), at::udp, 1000 + flow);
    std::set<std::uint16_t> ports;
    for (const Bytes& in : {large, small, large}) {
      for (const Bytes& out : rig.pieces(world::vm1, {in})) {
        ports.insert(test::get16(out, at::udp));
      }
    }
    REQUIRE(ports.size() == 1);
    all.merge(ports);
  }
  REQUIRE(all.size() > 12);
}

TEST_CASE("pieces of a piece stand where it stood", "[fragment]") {
  Rig rig(world::batch());
  for (const auto place : {"2000", "20b9", "00b9"}) {
    CAPTURE(place);
    const Bytes in = with_ipv4(datagram(3000), at::ip, 6, place);
    const auto frames = rig.pieces(world::vm1, {in});
    REQUIRE(frames.size() == 3);
    REQUIRE(joined(frames, at::inner_ip, 1450) == sent_on(in));
  }
}

TEST_CASE("options go into the later pieces where they say so", "[fragment]") {
  Rig rig(world::batch());
  struct Case {
    std::string_view options;
    std::string_view later;
  };
  // Copied (0x80 and above): security, stream id, loose source route; not: record route, timestamp.
  for (const Case& c :
       {Case{"01010101", ""}, Case{"0703000183040a01", "83040a01"},
        Case{"8804abcd07030000", "8804abcd"}, Case{"8306040a01020700", "8306040a01020000"},
        Case{"07040000", ""}, Case{"83ff0000", ""}, Case{"8300000000000000", ""},
        Case{"00008804", ""}, Case{"01018302", "83020000"}, Case{"01018303", ""},
        Case{"01010183", ""}, Case{"8804abcd83ff0000", "8804abcd"}}) {
    CAPTURE(c.options);
    const Bytes in = datagram(3000, c.options);
    const auto frames = rig.pieces(world::vm1, {in});
    REQUIRE(frames.size() == 3);
    REQUIRE(joined(frames, at::inner_ip, 1450) == sent_on(in));
    REQUIRE(part(frames[0], at::inner_ip + 20,
                 at::inner_ip + header_bytes(frames[0], at::inner_ip)) == hex(c.options));
    for (std::size_t i = 1; i < frames.size(); ++i) {
      const std::size_t header = header_bytes(frames[i], at::inner_ip);
      REQUIRE(part(frames[i], at::inner_ip + 20, at::inner_ip + header) == hex(c.later));
    }
  }
}

TEST_CASE("what has DF, or no life left, is not cut", "[fragment]") {
  Rig rig(world::batch());
  REQUIRE(describe(rig.receive(world::vm1, with_ipv4(datagram(3000), at::ip, 6, "4000"))) ==
          "punted: too_big");
  REQUIRE(describe(rig.receive(world::vm1, with_ipv4(datagram(3000), at::ip, 8, "01"))) ==
          "punted: ttl_expired");
}

TEST_CASE("packets that lie in memory in several parts are cut as others are", "[fragment]") {
  Rig rig(world::batch());
  const Bytes in = datagram(4000);
  for (const std::size_t cut : {40U, 64U, 1000U, 1458U, 1459U, 3000U}) {
    CAPTURE(cut);
    const auto frames = rig.pieces(world::vm1, {in}, {.tailroom = 200, .cuts = {cut, cut + 500}});
    REQUIRE(joined(frames, at::inner_ip, 1450) == sent_on(in));
  }
  // Without room in front, and with padding behind.
  Bytes padded = in;
  padded.resize(padded.size() + 50);
  const auto frames =
      rig.pieces(world::vm1, {padded}, {.headroom = 0, .tailroom = 200, .cuts = {}});
  REQUIRE(joined(frames, at::inner_ip, 1450) == sent_on(in));
}

TEST_CASE("a burst of packets that are cut keeps its order, however many pieces there are",
          "[fragment]") {
  Rig rig(world::batch());
  std::vector<Bytes> in;
  for (unsigned i = 0; i < max_burst; ++i) {
    in.push_back(with16(datagram(i % 3 == 0 ? 100 : 6000), at::ip + 4, i));
    in.back() = with_ipv4_checksum(std::move(in.back()));
  }
  const auto frames = rig.pieces(world::vm1, in);
  std::vector<std::vector<Bytes>> by_packet;
  for (const Bytes& frame : frames) {
    const unsigned number = test::get16(frame, at::inner_ip + 4);
    if (by_packet.size() == number) by_packet.emplace_back();
    REQUIRE(by_packet.size() == number + 1);  // no other stands between its pieces
    by_packet.back().push_back(frame);
  }
  REQUIRE(by_packet.size() == in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    REQUIRE(joined(by_packet[i], at::inner_ip, 1450) == sent_on(in[i]));
  }
}

TEST_CASE("out of a tunnel, too, what does not fit the VIF is cut", "[fragment]") {
  Rig rig(world::batch());
  Batch change;
  Adjacency narrow = test::adjacency_on(world::vm1, "10.1.0.11", MacAddress{{2, 0, 0, 0, 1, 1}});
  narrow.mtu_bytes = 28;
  change.adjacencies = {{world::to_vm1, narrow}};
  rig.apply(change);
  Bytes in = with_ipv4(packets::peer_udp4, at::inner_ip, 6, "0000");
  const auto frames = rig.pieces(world::fabric, {in});
  REQUIRE(frames.size() == 2);
  REQUIRE(joined(frames, at::ip, 28) == sent_on(part(in, at::inner)));
  // Where not even eight bytes fit beside the header nothing goes; more than 64 pieces neither.
  narrow.mtu_bytes = 27;
  change.adjacencies = {{world::to_vm1, narrow}};
  rig.apply(change);
  REQUIRE(describe(rig.receive(world::fabric, in)) == "dropped: too_big_fragmentable");
  narrow.mtu_bytes = 100;
  narrow.port = world::vm3;
  change.adjacencies = {{world::to_vm3, narrow}};
  rig.apply(change);
  REQUIRE(rig.pieces(world::vm1, {datagram(64 * 80, "", "0a01000d")}).size() == 64);
  REQUIRE(describe(rig.receive(world::vm1, datagram(64 * 80 + 1, "", "0a01000d"))) ==
          "dropped: too_big_fragmentable");
}

TEST_CASE("without buffers none of the pieces goes", "[fragment]") {
  Rig rig(world::batch());
  std::vector<rte_mbuf*> taken(rte_mempool_avail_count(test::packet_pool()) - 2);
  REQUIRE(rte_pktmbuf_alloc_bulk(test::packet_pool(), taken.data(),
                                 static_cast<unsigned>(taken.size())) == 0);
  REQUIRE(rig.pieces(world::vm1, {datagram(4000)}).empty());  // three pieces, one buffer
  const auto& drops = rig.counters().drops[static_cast<std::size_t>(DropReason::buffer_exhausted)];
  CHECK(drops.get() == 1);
  CHECK(count(rig, SizeEvent::fragments_made) == 0);
  rte_pktmbuf_free_bulk(taken.data(), static_cast<unsigned>(taken.size()));
}

TEST_CASE("explain shows the first piece and how many there are", "[fragment]") {
  Rig rig(world::batch());
  const Outcome outcome = rig.receive(world::vm1, datagram(4000));
  REQUIRE(describe(outcome) == "transmitted");
  REQUIRE(outcome.frame == rig.pieces(world::vm1, {datagram(4000)}).front());
  const auto says = [&](std::string_view text) {
    return std::ranges::any_of(outcome.steps, [&](const ExplainStep& step) {
      return step.text.find(text) != std::string::npos;
    });
  };
  CHECK(says("in 3 pieces of at most 1450 bytes"));
}

TEST_CASE("with outer fragmentation the outer IPv4 packet is cut, and numbered", "[fragment]") {
  Rig rig = rig_with_outer_fragmentation();
  std::set<std::uint16_t> numbers;
  const Bytes in = with_ipv4(datagram(4000), at::ip, 6, "4000");  // DF of what is inside
  const auto frames = rig.pieces(world::vm1, std::vector<Bytes>(20, in));
  REQUIRE(frames.size() == 60);
  for (std::size_t i = 0; i < frames.size(); i += 3) {
    const std::vector<Bytes> three(frames.begin() + static_cast<std::ptrdiff_t>(i),
                                   frames.begin() + static_cast<std::ptrdiff_t>(i + 3));
    const Bytes whole = joined(three, at::ip, 1500);
    REQUIRE(part(whole, 20, 28) == hex("c35012b50fd20000"));
    Bytes inner = part(whole, at::inner_ip - at::ip);
    inner = with16(std::move(inner), 10, 0);
    REQUIRE(inner == sent_on(in));
    numbers.insert(test::get16(three[0], at::ip + 4));
  }
  REQUIRE(numbers.size() == 20);
  REQUIRE(rig.counters().nexthops[world::tunnel4.index()].get().packets == 20);
  REQUIRE(count(rig, SizeEvent::outer_fragmented) == 20);
  REQUIRE(count(rig, SizeEvent::fragments_made) == 60);
  // Small ones are numbered, too, and may be cut by others.
  const auto small = rig.pieces(world::vm1, {datagram(100), datagram(100)});
  REQUIRE(small.size() == 2);
  numbers.clear();
  for (const Bytes& frame : small) {
    REQUIRE(test::get16(frame, at::ip + 6) == 0);
    REQUIRE(test::naive_checksum(std::span(frame).subspan(at::ip, header4)) == 0);
    REQUIRE(numbers.insert(test::get16(frame, at::ip + 4)).second);
  }
}

TEST_CASE("with outer fragmentation the outer IPv6 packet is cut, its checksum over all of it",
          "[fragment]") {
  Rig rig = rig_with_outer_fragmentation();
  struct Way {
    std::string_view destination;
    bool checksum;
  };
  for (const Way& way : {Way{"0a010105", true}, Way{"0a010205", false}}) {
    CAPTURE(way.destination);
    const Bytes in = with_ipv4(datagram(4001, "", way.destination), at::ip, 6, "4000");
    const auto frames = rig.pieces(world::vm1, {in});
    REQUIRE(frames.size() == 3);
    const Bytes udp = joined6(frames, 1500);
    REQUIRE(test::get16(udp, 4) == udp.size());
    const std::uint16_t pseudo = test::naive_pseudo_sum(ip("2001:db8::1"), ip("2001:db8::2"), 17,
                                                        static_cast<std::uint32_t>(udp.size()));
    if (way.checksum) {
      REQUIRE(test::naive_sum(udp, pseudo) == 0xffff);
    } else {
      REQUIRE(test::get16(udp, 6) == 0);
    }
    REQUIRE(with16(part(udp, 8 + 8 + 14), 10, 0) == sent_on(in));
    // What fits has no fragment header.
    const auto small = rig.pieces(world::vm1, {datagram(100, "", way.destination)});
    REQUIRE(small.size() == 1);
    REQUIRE(small[0][at::ip + 6] == 17);
  }
}

TEST_CASE("numbers of datagrams do not come again", "[fragment]") {
  for (const std::uint64_t secret : {0ULL, 1ULL, 0xdeadbeefcafeULL}) {
    std::set<std::uint16_t> short_numbers;
    std::set<std::uint32_t> numbers;
    for (unsigned worker = 0; worker < 4; ++worker) {
      Identifications short_source(worker, 4, {0, secret});
      Identifications source(worker, 4, {0, secret});
      for (unsigned i = 0; i < 16384; ++i) {
        short_numbers.insert(short_source.next16());
        numbers.insert(source.next32());
      }
    }
    CHECK(short_numbers.size() == 65536);
    CHECK(numbers.size() == 65536);
  }
}

}  // namespace weft::fragment_test
