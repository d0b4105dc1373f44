// Tunnel packets that arrive in pieces: put together, or dropped for one reason each.
#include <catch2/catch.hpp>

#include <algorithm>
#include <numeric>

#include "support/eal_session.hpp"
#include "support/seed.hpp"
#include "support/stage_case.hpp"

namespace weft::reassembly_test {
namespace {

using Frames = std::vector<Bytes>;

struct Cut {
  std::size_t offset;
  std::size_t bytes;
};

std::uint64_t drops(const WorkerCounters& counters, DropReason reason) {
  return counters.drops[static_cast<std::size_t>(reason)].get();
}
std::uint64_t count(const WorkerCounters& counters, SizeEvent event) {
  return counters.sizes[static_cast<std::size_t>(event)].get();
}

/// Of the IPv4 frame's payload those bytes, as a piece with `number`; what follows is not the last.
Bytes piece4(const Bytes& frame, const Cut& cut, unsigned number = 7) {
  const std::size_t header = frame.at(at::ip) % 16 * std::size_t{4};
  const std::size_t payload = at::ip + header;
  Bytes out(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(payload));
  const auto from = frame.begin() + static_cast<std::ptrdiff_t>(payload + cut.offset);
  out.insert(out.end(), from, from + static_cast<std::ptrdiff_t>(cut.bytes));
  const bool more = payload + cut.offset + cut.bytes != frame.size();
  out = with16(std::move(out), at::ip + 2, header + cut.bytes);
  out = with16(std::move(out), at::ip + 4, number);
  out = with16(std::move(out), at::ip + 6, cut.offset / 8 | (more ? 0x2000U : 0U));
  return with_ipv4_checksum(std::move(out));
}

/// The same of an IPv6 frame; `chain`: extension headers in front of the fragment header, of which
/// the first one is named 0.
Bytes piece6(const Bytes& frame, const Cut& cut, std::string_view chain = "") {
  const std::size_t payload = at::ip + 40;
  const bool more = payload + cut.offset + cut.bytes != frame.size();
  Bytes out(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(payload));
  Bytes headers = hex(chain);
  const Bytes fragment = with16(hex("1100000000000099"), 2, cut.offset | (more ? 1U : 0U));
  headers.insert(headers.end(), fragment.begin(), fragment.end());
  out[at::ip + 6] = chain.empty() ? 44 : 0;
  out.insert(out.end(), headers.begin(), headers.end());
  const auto from = frame.begin() + static_cast<std::ptrdiff_t>(payload + cut.offset);
  out.insert(out.end(), from, from + static_cast<std::ptrdiff_t>(cut.bytes));
  return with16(std::move(out), at::ip + 4, headers.size() + cut.bytes);
}

/// peer_udp4, in VXLAN to vm1, with `inner_bytes` of UDP payload.
Bytes tunnelled(std::size_t inner_bytes) {
  Bytes bytes = hex(packets::peer_udp4);
  bytes.resize(at::inner_ip + 28);
  bytes.resize(bytes.size() + inner_bytes);
  std::iota(bytes.begin() + static_cast<std::ptrdiff_t>(at::inner_ip + 28), bytes.end(),
            std::uint8_t{1});
  bytes = with_ipv4_checksum(with16(std::move(bytes), at::inner_ip + 2, 28 + inner_bytes),
                             at::inner_ip);
  bytes =
      with16(with16(std::move(bytes), at::inner_ip + 24, 8 + inner_bytes), at::inner_ip + 26, 0);
  const std::size_t size = bytes.size();
  bytes = with_ipv4_checksum(with16(std::move(bytes), at::ip + 2, size - at::ip));
  return with16(with16(std::move(bytes), at::udp + 4, size - at::udp), at::udp + 6, 0);
}

/// The whole payload in pieces of `room` bytes.
std::vector<Cut> cuts(const Bytes& frame, std::size_t header, std::size_t room) {
  std::vector<Cut> all;
  const std::size_t payload = frame.size() - at::ip - header;
  for (std::size_t offset = 0; offset < payload; offset += room) {
    all.push_back({offset, std::min(room, payload - offset)});
  }
  return all;
}

}  // namespace

TEST_CASE("pieces of a tunnel packet fare as the whole does, in any order", "[reassembly]") {
  Rig rig(world::batch());
  auto random = test::random_engine();
  for (const std::size_t bytes : {40U, 1400U, 1472U, 4000U}) {
    for (const std::size_t room : {64U, 536U, 1480U}) {
      CAPTURE(bytes, room);
      const Bytes whole = tunnelled(bytes);
      const Frames expected = rig.pieces(world::fabric, {whole});
      if (whole.size() - 34 <= room) continue;
      const auto decap = rig.counters().decaps[world::decap_blue.index()].get();
      std::vector<Cut> all = cuts(whole, 20, room);
      for (int i = 0; i < 4; ++i) {
        Frames in;
        for (const Cut& cut : all) in.push_back(piece4(whole, cut));
        if (all.size() > 64) break;
        REQUIRE(rig.pieces(world::fabric, in, {.headroom = 128, .tailroom = 0, .cuts = {}}) ==
                expected);
        REQUIRE(rig.pieces(world::fabric, in, {.headroom = 128, .tailroom = 4096, .cuts = {}}) ==
                expected);
        const auto now = rig.counters().decaps[world::decap_blue.index()].get();
        REQUIRE(now.packets == decap.packets);
        REQUIRE(now.bytes == decap.bytes);
        REQUIRE(count(rig.counters(), SizeEvent::reassembled) == 1);
        REQUIRE(count(rig.counters(), SizeEvent::fragments_joined) == all.size());
        std::shuffle(all.begin(), all.end(), random);
      }
    }
  }
}

TEST_CASE("pieces over IPv6, too, with their checksum and headers in front", "[reassembly]") {
  Rig rig(world::batch());
  const Bytes whole = hex(packets::peer6_tcp4);
  const Frames expected = rig.pieces(world::fabric, {whole});
  REQUIRE(expected.size() == 1);
  // Hop-by-hop options of padding; a fragment header that cuts up nothing (RFC 6946) behind them.
  for (const auto chain : {"", "2c00010400000000", "2c000104000000002c00000000000001"}) {
    CAPTURE(chain);
    std::vector<Cut> all = cuts(whole, 40, 24);
    for (int i = 0; i < 2; ++i) {
      Frames in;
      for (const Cut& cut : all) in.push_back(piece6(whole, cut, chain));
      const Frames out =
          rig.pieces(world::fabric, in, {.headroom = 128, .tailroom = 512, .cuts = {}});
      // Behind hop-by-hop options no tunnel is looked for.
      REQUIRE(count(rig.counters(), SizeEvent::reassembled) == 1);
      if (std::string_view(chain).empty()) REQUIRE(out == expected);
      std::reverse(all.begin(), all.end());
    }
  }
}

TEST_CASE("pieces of UDP to a port of no tunnel are left to the host", "[reassembly]") {
  Rig rig(world::batch());
  const Bytes whole = with16(tunnelled(1400), at::udp + 2, 5353);
  const auto all = cuts(whole, 20, 800);
  const Frames pieces{piece4(whole, all[0]), piece4(whole, all[1])};
  // Here no host has the address.
  (void)rig.pieces(world::fabric, pieces);
  CHECK(drops(rig.counters(), DropReason::outer_fragment) == 2);
  CHECK(count(rig.counters(), SizeEvent::reassembled) == 0);
  // Nobody knows what a later piece is of before the first one is there.
  (void)rig.pieces(world::fabric, {pieces[1], pieces[0]});
  CHECK(drops(rig.counters(), DropReason::outer_fragment) == 0);
  CHECK(count(rig.counters(), SizeEvent::reassembled) == 1);
}

TEST_CASE("a datagram whose pieces came by different routers' numbers is none", "[reassembly]") {
  Rig rig(world::batch());
  const Bytes whole = tunnelled(1400);
  const auto all = cuts(whole, 20, 800);
  REQUIRE(rig.pieces(world::fabric, {piece4(whole, all[0], 1), piece4(whole, all[1], 2)}).empty());
  // Another protocol, source or destination with the same number.
  const auto changed = [&](std::size_t offset, std::string_view text) {
    return with_ipv4(piece4(whole, all[1]), at::ip, offset, text);
  };
  REQUIRE(rig.pieces(world::fabric, {piece4(whole, all[0]), changed(12, "c0000203")}).empty());
  REQUIRE(rig.pieces(world::fabric, {piece4(whole, all[0]), changed(9, "84")}).empty());
  REQUIRE(rig.pieces(world::fabric, {piece4(whole, all[0]), piece4(whole, all[1])}).size() == 1);
}

TEST_CASE("pieces that are not for us, or no tunnel's, go on as they are", "[reassembly]") {
  Rig rig(world::batch());
  const Bytes whole = with_ipv4(tunnelled(1400), at::ip, 16, "c6336409");  // 198.51.100.9
  const auto all = cuts(whole, 20, 800);
  REQUIRE(rig.pieces(world::fabric, {piece4(whole, all[0]), piece4(whole, all[1])}).size() == 2);
  REQUIRE(count(rig.counters(), SizeEvent::reassembled) == 0);
}

TEST_CASE("overlapping pieces take the datagram with them, and those that come after",
          "[reassembly]") {
  Rig rig(world::batch());
  const Bytes whole = tunnelled(1400);
  for (const Cut& other : {Cut{400, 400}, Cut{0, 400}, Cut{0, 808}, Cut{792, 8}}) {
    CAPTURE(other.offset, other.bytes);
    const Frames in{piece4(whole, {0, 800}), piece4(whole, other), piece4(whole, {800, 400}),
                    piece4(whole, {1200, whole.size() - 34 - 1200})};
    REQUIRE(rig.pieces(world::fabric, in).empty());
    REQUIRE(drops(rig.counters(), DropReason::fragment_overlap) == 4);
  }
  // The same piece once more is no attack.
  const Frames twice{piece4(whole, {0, 800}), piece4(whole, {0, 800}),
                     piece4(whole, {800, whole.size() - 34 - 800})};
  REQUIRE(rig.pieces(world::fabric, twice).size() == 1);
  REQUIRE(drops(rig.counters(), DropReason::fragment_duplicate) == 1);
}

TEST_CASE("pieces that cannot be, or disagree about the end", "[reassembly]") {
  Rig rig(world::batch());
  const Bytes whole = tunnelled(1400);
  const std::size_t payload = whole.size() - 34;
  const auto malformed = [&](const Frames& in, std::uint64_t dropped) {
    const Frames out = rig.pieces(world::fabric, in);
    CHECK(out.empty());
    CHECK(drops(rig.counters(), DropReason::fragment_malformed) == dropped);
  };
  malformed({piece4(whole, {0, 801})}, 1);  // not in eights, and not the last
  malformed({with_ipv4(piece4(whole, {0, 800}), at::ip, 6, "3fff")}, 1);  // beyond 65535
  malformed(
      {piece4(whole, {800, payload - 800}), with_ipv4(piece4(whole, {0, 800}), at::ip, 6, "2400")},
      2);  // beyond the last
  malformed({piece4(whole, {0, 400}), piece4(whole, {800, payload - 800}),
             with_ipv4(piece4(whole, {800, payload - 800}), at::ip, 6, "00c8")},
            3);  // two ends
  malformed({piece4(whole, {800, 400}), with_ipv4(piece4(whole, {8, 392}), at::ip, 6, "0001")},
            2);  // an end in front of what is there
}

TEST_CASE("the table of datagrams is bounded, and what does not come is given up", "[reassembly]") {
  constexpr std::uint64_t second = 1'000'000;
  WorkerCounters counters;
  const unsigned free_before = rte_mempool_avail_count(test::packet_pool());
  auto table = std::make_unique<Reassembly>(
      ReassemblySettings{.datagrams = 16, .timeout = std::chrono::seconds(2)}, second,
      tunnel::HashSeed{1, 2}, counters);
  const auto add = [&](unsigned number, std::uint32_t offset, bool more, std::uint64_t now) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(test::packet_pool());
    REQUIRE(mbuf != nullptr);
    rte_pktmbuf_append(mbuf, 8);
    DatagramKey key;
    key.identification = number;
    const auto answer = table->add(key, {offset, 8, more}, Packet(mbuf), now);
    if (answer.reason != DropReason::none) {
      counters.drop(answer.reason);
      rte_pktmbuf_free(mbuf);
    }
    return answer;
  };
  for (unsigned i = 0; i < 1000; ++i) add(i, 0, true, second + i);
  CHECK(table->waiting() <= 16);
  CHECK(table->waiting() + drops(counters, DropReason::fragment_evicted) == 1000);
  // Time runs out; every call looks at some places.
  const unsigned left = table->waiting();
  for (int i = 0; i < 2; ++i) table->expire(2 * second);
  CHECK(table->waiting() == left);
  for (int i = 0; i < 2; ++i) table->expire(4 * second);
  CHECK(table->waiting() == 0);
  CHECK(drops(counters, DropReason::fragment_timeout) == left);
  // A piece that comes too late begins anew.
  add(1, 0, true, 10 * second);
  CHECK(add(1, 8, false, 13 * second).whole.mbuf() == nullptr);
  CHECK(drops(counters, DropReason::fragment_timeout) == left + 1);
  // One datagram has 64 pieces at most, all of them together four for each place.
  for (std::uint32_t i = 0; i < 64; ++i) add(5000, i * 16, true, 20 * second);
  CHECK(table->waiting() <= 64);
  for (unsigned n = 0; n < 100; ++n) {
    for (std::uint32_t i = 0; i < 50; ++i) add(6000 + n, i * 16, true, 21 * second);
    CHECK(table->waiting() <= 64);
  }
  table.reset();
  CHECK(rte_mempool_avail_count(test::packet_pool()) == free_before);
}

TEST_CASE("sixty-four pieces are enough, one more is too many", "[reassembly]") {
  Rig rig(world::batch());
  const Bytes whole = tunnelled(64 * 16 - 50 - 8);
  const auto all = cuts(whole, 20, 16);
  REQUIRE(all.size() == 64);
  Frames in;
  for (const Cut& cut : all) in.push_back(piece4(whole, cut));
  REQUIRE(rig.pieces(world::fabric, in, {.headroom = 128, .tailroom = 2048, .cuts = {}}).size() ==
          1);
  WorkerCounters counters;
  Reassembly table({}, 1000, {1, 2}, counters);
  for (std::uint32_t i = 0; i <= 64; ++i) {
    rte_mbuf* mbuf = rte_pktmbuf_alloc(test::packet_pool());
    rte_pktmbuf_append(mbuf, 8);
    const auto answer = table.add({}, {i * 8, 8, true}, Packet(mbuf), 1);
    CHECK(answer.reason == (i == 64 ? DropReason::fragment_limit : DropReason::none));
    if (i == 64) rte_pktmbuf_free(mbuf);
  }
  CHECK(drops(counters, DropReason::fragment_limit) == 64);
  CHECK(table.waiting() == 0);
}

}  // namespace weft::reassembly_test
