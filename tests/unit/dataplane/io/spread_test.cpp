// To which worker a frame goes that another has received.
#include "io/spread.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <set>
#include <vector>

namespace weft::io::spread_test {
namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr tunnel::HashSeed seed{0x0123456789abcdef, 0xfedcba9876543210};
constexpr std::uint8_t udp = 17;
constexpr std::uint8_t icmp = 1;

/// What these tests tell flows apart by; frames are written down by hand, as RFC 791 and 8200 say.
struct Flow {
  bool v4 = true;
  std::uint8_t source = 1;
  std::uint16_t source_port = 1000;
  std::uint8_t protocol = udp;
};

void put16(Bytes& out, unsigned value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

/// `place`: flags and offset of IPv4, offset and the bit that more follows of IPv6's fragment
/// header, which is there if it is not -1.
Bytes frame(const Flow& flow, int place = -1, unsigned options = 0) {
  Bytes out(12, 0x02);
  put16(out, flow.v4 ? 0x0800 : 0x86dd);
  if (flow.v4) {
    out.push_back(static_cast<std::uint8_t>(0x45 + options));
    out.push_back(0);
    put16(out, 28 + 4 * options);
    put16(out, 7);  // identification
    put16(out, place < 0 ? 0x4000U : static_cast<unsigned>(place));
    out.push_back(64);
    out.push_back(flow.protocol);
    put16(out, 0);
    for (const int byte : {10, 1, 0, int{flow.source}, 10, 1, 0, 99}) {
      out.push_back(static_cast<std::uint8_t>(byte));
    }
    out.insert(out.end(), std::size_t{4} * options, 1);
  } else {
    for (const int byte : {0x60, 0, 0, 0}) out.push_back(static_cast<std::uint8_t>(byte));
    put16(out, place < 0 ? 8 : 16);
    out.push_back(place < 0 ? flow.protocol : 44);
    out.push_back(64);
    for (const std::uint8_t last : {flow.source, std::uint8_t{99}}) {
      out.push_back(0xfd);
      out.insert(out.end(), 14, 0);
      out.push_back(last);
    }
    if (place >= 0) {
      out.push_back(flow.protocol);
      out.push_back(0);
      put16(out, static_cast<unsigned>(place));
      put16(out, 0);
      put16(out, 7);
    }
  }
  put16(out, flow.source_port);
  for (const unsigned value : {53U, 8U, 0U}) put16(out, value);
  return out;
}

std::optional<std::uint32_t> hash(const Bytes& bytes) { return spread_hash(bytes, seed); }

/// A received packet that shows `bytes`.
struct Received {
  explicit Received(const Bytes& bytes) {
    mbuf.buf_addr = const_cast<std::uint8_t*>(bytes.data());
    mbuf.data_off = 0;
    mbuf.data_len = static_cast<std::uint16_t>(bytes.size());
  }
  void rss(std::uint32_t value) {
    mbuf.ol_flags = RTE_MBUF_F_RX_RSS_HASH;
    mbuf.hash.rss = value;
  }
  rte_mbuf mbuf{};
};
unsigned worker(const Bytes& bytes, unsigned workers) {
  const Received received(bytes);
  return worker_for(&received.mbuf, workers, 77, seed);
}

TEST_CASE("packets of one flow go to one worker, whatever else stands in them") {
  const bool v4 = GENERATE(true, false);
  Bytes one = frame({.v4 = v4});
  const auto known = hash(one);
  REQUIRE(known);
  Bytes other = one;
  other[0] ^= 0xff;                 // destination MAC
  other[v4 ? 14 + 8 : 14 + 7] = 3;  // TTL, hop limit
  other[14 + 1] = 0x0f;             // traffic class
  other.push_back(0xaa);            // payload
  CHECK(hash(other) == known);
  CHECK(hash(frame({.v4 = v4, .source = 2})) != known);
  CHECK(hash(frame({.v4 = v4, .source_port = 1001})) != known);
  CHECK(hash(frame({.v4 = v4, .protocol = 6})) != known);
  CHECK(spread_hash(one, {1, 2}) != known);  // nobody outside can tell
}

TEST_CASE("IPv4 options and IPv6 extension headers do not hide the ports") {
  CHECK(hash(frame({}, -1, 3)) == hash(frame({})));
  // A fragment header alone in its packet (RFC 6946).
  CHECK(hash(frame({.v4 = false}, 0)) == hash(frame({.v4 = false})));
}

TEST_CASE("the pieces of a datagram go to one worker: their ports are not looked at") {
  // First, middle and last piece; what stands where ports would differs.
  std::set<std::optional<std::uint32_t>> v4;
  std::set<std::optional<std::uint32_t>> v6;
  for (const std::uint16_t port : {1, 2, 3}) {
    for (const int place : {0x2000, 0x2064, 0x00c8})
      v4.insert(hash(frame({.source_port = port}, place)));
    for (const int place : {0x0001, 0x0321, 0x0640}) {
      v6.insert(hash(frame({.v4 = false, .source_port = port}, place)));
    }
  }
  CHECK(v4.size() == 1);
  CHECK(v6.size() == 1);
  CHECK(v4.count(std::nullopt) + v6.count(std::nullopt) == 0);
  CHECK(v4.count(hash(frame({.source = 2}, 0x2000))) == 0);
  CHECK(v6.count(hash(frame({.v4 = false, .source = 2}, 1))) == 0);
}

TEST_CASE("a protocol without ports goes by addresses and protocol") {
  CHECK(hash(frame({.source_port = 1, .protocol = icmp})) ==
        hash(frame({.source_port = 2, .protocol = icmp})));
}

TEST_CASE("a tag that carries but a priority changes no flow") {
  const auto tagged = [](Bytes frame, std::uint8_t priority, std::uint8_t vlan) {
    const Bytes tag{0x81, 0, static_cast<std::uint8_t>(priority << 5), vlan};
    frame.insert(frame.begin() + 12, tag.begin(), tag.end());
    return frame;
  };
  for (const bool v4 : {true, false}) {
    const Bytes plain = frame({.v4 = v4});
    for (const std::uint8_t priority : {0, 7}) {
      CHECK(hash(tagged(plain, priority, 0)) == hash(plain));
      CHECK_FALSE(hash(tagged(plain, priority, 1)));
      CHECK_FALSE(hash(tagged(tagged(plain, priority, 0), priority, 0)));
    }
  }
}

TEST_CASE("what is no IP, or ends too early to tell, stays with its receiver") {
  Bytes arp = frame({});
  arp[12] = 0x08;
  arp[13] = 0x06;
  CHECK(worker(arp, 4) == 77);
  Bytes vlan = frame({});
  vlan[12] = 0x81;
  vlan[13] = 0x00;
  CHECK(worker(vlan, 4) == 77);
  for (const bool v4 : {true, false}) {
    const Bytes whole = frame({.v4 = v4});
    const std::size_t enough = 14 + (v4 ? 20 : 40);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      CHECK(hash(cut).has_value() == (size >= enough));
    }
  }
}

TEST_CASE("a NIC's hash counts before what the frame says") {
  const Bytes one = frame({});
  const Bytes other = frame({.source = 2, .source_port = 9});
  std::set<unsigned> workers;
  for (std::uint32_t value = 0; value < 64; ++value) {
    Received a(one);
    Received b(other);
    a.rss(value);
    b.rss(value);
    const unsigned w = worker_for(&a.mbuf, 4, 77, seed);
    CHECK(w == worker_for(&b.mbuf, 4, 77, seed));
    workers.insert(w);
  }
  CHECK(workers == std::set<unsigned>{0, 1, 2, 3});
}

/// Pearson's chi-square over sqrt(2 (workers - 1)) above its mean: beyond 4 it is not by chance.
double deviation(const std::vector<unsigned>& counts, unsigned flows) {
  const double expected = static_cast<double>(flows) / static_cast<double>(counts.size());
  double chi2 = 0;
  for (const unsigned n : counts) chi2 += (n - expected) * (n - expected) / expected;
  const double freedom = static_cast<double>(counts.size() - 1);
  return (chi2 - freedom) / std::sqrt(2 * freedom);
}

TEST_CASE("flows spread evenly over the workers") {
  const unsigned workers = GENERATE(2U, 3U, 4U, 7U, 32U);
  constexpr unsigned flows = 20000;
  const auto spread = [&](auto&& make) {
    std::vector<unsigned> counts(workers);
    for (unsigned i = 0; i < flows; ++i) {
      const unsigned w = make(i);
      REQUIRE(w < workers);
      ++counts[w];
    }
    return deviation(counts, flows);
  };
  for (const bool v4 : {true, false}) {
    CHECK(spread([&](unsigned i) {
            return worker(frame({.v4 = v4, .source_port = static_cast<std::uint16_t>(i)}), workers);
          }) < 4);
    CHECK(spread([&](unsigned i) {
            return worker(frame({.v4 = v4,
                                 .source = static_cast<std::uint8_t>(i),
                                 .source_port = static_cast<std::uint16_t>(i >> 8)}),
                          workers);
          }) < 4);
  }
  std::mt19937 random(1);
  const Bytes bytes = frame({});
  CHECK(spread([&](unsigned) {
          Received received(bytes);
          received.rss(static_cast<std::uint32_t>(random()) & ~3U);  // as queue 0 of four gets them
          return worker_for(&received.mbuf, workers, 77, seed);
        }) < 4);
}

}  // namespace
}  // namespace weft::io::spread_test
