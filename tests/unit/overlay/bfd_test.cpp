// BFD: the packets, bytes by scapy, and what a session makes of them (RFC 5880 §6.8).
#include <catch2/catch.hpp>

#include "bfd/datagram.hpp"
#include "bfd/session.hpp"
#include "support/exact_copy.hpp"
#include "support/hex.hpp"
#include "support/words.hpp"
#include "wire/checksum.hpp"

namespace weft::bfd::bfd_test {
namespace {

using test::hex;
using test::ip;
using wire::Bfd;

// scapy: BFD(diag=1, sta="Init", flags="P", detect_mult=3, my_discriminator=0x11223344,
// your_discriminator=0x55667788, min_tx_interval=50000, min_rx_interval=60000, echo_rx_interval=0)
// in UDP(sport=49153, dport=3784), DSCP CS6, TTL 255.
constexpr auto datagram4 =
    "45c0003400004000ff11f5f8c0000201c00002fe"
    "c0010ec80020c825"
    "21a0031811223344556677880000c3500000ea6000000000";
constexpr auto datagram6 =
    "6c000000002011ff20010db800000000000000000000000120010db80000000000000000000000fe"
    "c0010ec80020f0b4"
    "21a0031811223344556677880000c3500000ea6000000000";

constexpr Time ms = 1'000'000;
constexpr std::uint32_t ours = 7;
constexpr std::uint32_t theirs = 9;

Bfd packet(BfdState state, std::uint32_t to = ours, std::uint8_t flags = 0) {
  Bfd p;
  p.version_diagnostic = 1 << 5;
  p.state_flags = static_cast<std::uint8_t>(static_cast<unsigned>(state) << 6 | flags);
  p.detect_multiplier = 3;
  p.length = sizeof p;
  p.my_discriminator = theirs;
  p.your_discriminator = to;
  p.desired_min_tx_us = 20'000;
  p.required_min_rx_us = 30'000;
  return p;
}

Session down(Time now = 0) { return Session({.interval_ms = 50, .multiplier = 3}, ours, 1, now); }

Session up(Time now = 0) {
  Session session = down(now);
  session.receive(packet(BfdState::init), now);
  REQUIRE(session.status().state == BfdState::up);
  return session;
}

BfdState after(BfdState before, BfdState heard) {
  Session session = down();
  if (before == BfdState::init) session.receive(packet(BfdState::down), 0);
  if (before == BfdState::up) session.receive(packet(BfdState::init), 0);
  if (before == BfdState::admin_down) session.admin_down(0);
  REQUIRE(session.status().state == before);
  session.receive(packet(heard), 1);
  return session.status().state;
}

/// All that it sends until `end`, with the moments.
std::vector<std::pair<Time, Bfd>> sent(Session& session, Time end) {
  std::vector<std::pair<Time, Bfd>> out;
  for (Time now = session.due(); now <= end; now = session.due()) {
    if (const auto p = session.tick(now)) out.emplace_back(now, *p);
  }
  return out;
}

}  // namespace

TEST_CASE("bfd: datagrams are what scapy makes of them", "[bfd]") {
  const auto check = [](const char* text, const char* from, const char* to) {
    const test::ExactCopy copy(hex(text));
    const auto heard = read_datagram(copy.get());
    REQUIRE(heard.packet != nullptr);
    CHECK(heard.source == ip(from));
    CHECK(heard.destination == ip(to));
    CHECK(heard.packet->state() == BfdState::init);
    CHECK(heard.packet->diagnostic() == 1);
    CHECK(heard.packet->has(Bfd::poll));
    CHECK_FALSE(heard.packet->has(Bfd::final));
    CHECK(heard.packet->desired_min_tx_us.get() == 50'000);
    CHECK(heard.packet->required_min_rx_us.get() == 60'000);
    const auto made = write_datagram(ip(from), ip(to), 49153, *heard.packet);
    CHECK(std::vector(made.bytes().begin(), made.bytes().end()) == hex(text));
  };
  check(datagram4, "192.0.2.1", "192.0.2.254");
  check(datagram6, "2001:db8::1", "2001:db8::fe");
}

TEST_CASE("bfd: what is no packet of the link, or no sound one, is refused", "[bfd]") {
  const auto reason = [](std::vector<std::uint8_t> bytes) {
    const test::ExactCopy copy(bytes);
    const auto heard = read_datagram(copy.get());
    CHECK((heard.packet == nullptr) == (heard.reason != DropReason::none));
    return heard.reason;
  };
  /// The datagram with a byte of its BFD changed, and the checksum right again.
  const auto with = [](std::size_t at, std::uint8_t value) {
    auto bytes = hex(datagram4);
    bytes[28 + at] = value;
    bytes[26] = bytes[27] = 0;
    const auto sum = wire::l4_checksum(&bytes[12], &bytes[16], 4, 17, std::span(bytes).subspan(20));
    std::memcpy(&bytes[26], &sum, 2);
    return bytes;
  };
  CHECK(reason(with(0, 0x21)) == DropReason::none);
  CHECK(reason(with(0, 0x41)) == DropReason::bfd_malformed);  // version 2
  CHECK(reason(with(1, 0xa1)) == DropReason::bfd_malformed);  // multipoint
  CHECK(reason(with(1, 0xa4)) == DropReason::bfd_malformed);  // authenticated
  CHECK(reason(with(2, 0)) == DropReason::bfd_malformed);     // multiplier
  CHECK(reason(with(3, 23)) == DropReason::bfd_malformed);    // length
  CHECK(reason(with(3, 25)) == DropReason::bfd_malformed);    // beyond the datagram

  auto bytes = hex(datagram4);
  bytes[8] = 254;
  CHECK(reason(bytes) == DropReason::bfd_ttl);
  bytes = hex(datagram6);
  bytes[7] = 254;
  CHECK(reason(bytes) == DropReason::bfd_ttl);
  bytes = hex(datagram4);
  bytes[27] ^= 1;
  CHECK(reason(bytes) == DropReason::bfd_malformed);
  bytes[26] = bytes[27] = 0;  // no checksum: over IPv4 it is allowed
  CHECK(reason(bytes) == DropReason::none);
  bytes = hex(datagram6);
  bytes[46] = bytes[47] = 0;
  CHECK(reason(bytes) == DropReason::bfd_malformed);
  bytes = hex(datagram4);
  for (std::size_t size = 20; size < bytes.size(); ++size) {
    CHECK(reason({bytes.begin(), bytes.begin() + static_cast<long>(size)}) ==
          DropReason::bfd_malformed);
  }
  Bfd p = packet(BfdState::up, 0);
  CHECK(wire::read_bfd({reinterpret_cast<const std::uint8_t*>(&p), sizeof p}) == nullptr);
  p = packet(BfdState::down, 0);
  CHECK(wire::read_bfd({reinterpret_cast<const std::uint8_t*>(&p), sizeof p}) != nullptr);
  p.my_discriminator = 0;
  CHECK(wire::read_bfd({reinterpret_cast<const std::uint8_t*>(&p), sizeof p}) == nullptr);
}

TEST_CASE("bfd: states follow each other as in RFC 5880 section 6.8.6", "[bfd]") {
  using enum BfdState;
  for (const BfdState heard : {BfdState::admin_down, BfdState::down, init, BfdState::up}) {
    CHECK(after(BfdState::admin_down, heard) == BfdState::admin_down);
  }
  CHECK(after(BfdState::down, BfdState::admin_down) == BfdState::down);
  CHECK(after(BfdState::down, BfdState::down) == init);
  CHECK(after(BfdState::down, init) == BfdState::up);
  CHECK(after(BfdState::down, BfdState::up) == BfdState::down);
  CHECK(after(init, BfdState::admin_down) == BfdState::down);
  CHECK(after(init, BfdState::down) == init);
  CHECK(after(init, init) == BfdState::up);
  CHECK(after(init, BfdState::up) == BfdState::up);
  CHECK(after(BfdState::up, BfdState::admin_down) == BfdState::down);
  CHECK(after(BfdState::up, BfdState::down) == BfdState::down);
  CHECK(after(BfdState::up, init) == BfdState::up);
  CHECK(after(BfdState::up, BfdState::up) == BfdState::up);
}

TEST_CASE("bfd: before it is up it sends once a second, then as agreed, with jitter", "[bfd]") {
  Session session = down();
  auto packets = sent(session, 10'000 * ms);
  CHECK(packets.size() >= 10);
  CHECK(packets.size() <= 15);
  for (const auto& [at, p] : packets) {
    CHECK(p.state() == BfdState::down);
    CHECK(p.your_discriminator.get() == 0);
    CHECK(p.my_discriminator.get() == ours);
    CHECK(p.desired_min_tx_us.get() == 1'000'000);
    CHECK(p.required_min_rx_us.get() == 50'000);
  }
  session = up();
  CHECK(session.status().transmit_us == 50'000);  // the neighbour would take 30 ms
  packets.clear();
  Time last = 0;
  double shortest = 1e9;
  double longest = 0;
  for (Time now = 0; now < 3000 * ms; now = session.due()) {
    if (const auto p = session.tick(now)) {
      if (last != 0) {
        shortest = std::min(shortest, static_cast<double>(now - last));
        longest = std::max(longest, static_cast<double>(now - last));
      }
      last = now;
      packets.emplace_back(now, *p);
    }
    session.receive(packet(BfdState::up, ours, Bfd::final), now);
  }
  CHECK(shortest >= 37.5 * ms);
  CHECK(shortest < 40 * ms);
  CHECK(longest <= 50 * ms);
  CHECK(longest > 47 * ms);
  CHECK(packets.front().second.has(Bfd::poll));  // the interval has changed
  CHECK_FALSE(packets.back().second.has(Bfd::poll));
  CHECK(packets.back().second.your_discriminator.get() == theirs);

  Session once({.interval_ms = 50, .multiplier = 1}, ours, 1, 0);
  once.receive(packet(BfdState::init), 0);
  for (Time now = 0, before = 0; now < 3000 * ms; before = now, now = once.due()) {
    (void)once.tick(now);
    once.receive(packet(BfdState::up), now);
    if (before != 0) CHECK(now - before <= 45 * ms);
  }
}

TEST_CASE("bfd: who is silent is down after as many intervals as he said", "[bfd]") {
  Session session = up(100 * ms);
  CHECK(session.status().detect_us == 150'000);  // 3 times ours, which is the longer one
  (void)session.tick(249 * ms);
  CHECK(session.status().state == BfdState::up);
  session.receive(packet(BfdState::up), 249 * ms);
  (void)session.tick(398 * ms);
  CHECK(session.status().state == BfdState::up);
  CHECK(session.due() <= 399 * ms);
  const auto last = session.tick(399 * ms);
  CHECK(session.status().state == BfdState::down);
  CHECK(session.status().diagnostic == 1);
  CHECK(session.status().remote_discriminator == 0);
  CHECK_FALSE(session.status().alive());
  REQUIRE(last);  // told at once
  CHECK(last->state() == BfdState::down);
  CHECK(last->diagnostic() == 1);
  CHECK(last->desired_min_tx_us.get() == 1'000'000);

  Bfd slow = packet(BfdState::init);
  slow.desired_min_tx_us = 200'000;
  slow.detect_multiplier = 5;
  session.receive(slow, 400 * ms);
  CHECK(session.status().detect_us == 1'000'000);
}

TEST_CASE("bfd: a poll is answered at once, and never with a poll", "[bfd]") {
  Session session = up();
  (void)session.tick(0);
  session.receive(packet(BfdState::up, ours, Bfd::poll), 1 * ms);
  CHECK(session.due() <= 1 * ms);
  const auto answer = session.tick(1 * ms);
  REQUIRE(answer);
  CHECK(answer->has(Bfd::final));
  CHECK_FALSE(answer->has(Bfd::poll));
  CHECK_FALSE(session.tick(2 * ms));
  const auto next = session.tick(51 * ms);
  REQUIRE(next);
  CHECK(next->has(Bfd::poll));  // ours has not been answered yet
  session.receive(packet(BfdState::up, ours, Bfd::final), 52 * ms);
  CHECK_FALSE(session.tick(102 * ms)->has(Bfd::poll));
}

TEST_CASE("bfd: a neighbour that wants no packets gets none but answers", "[bfd]") {
  Session session = up();
  Bfd p = packet(BfdState::up, ours, Bfd::final);
  p.required_min_rx_us = 0;
  session.receive(p, 1 * ms);
  CHECK(sent(session, 140 * ms).empty());
  p.state_flags |= Bfd::poll;
  session.receive(p, 140 * ms);
  CHECK(sent(session, 150 * ms).size() == 1);

  session = up();
  session.receive(packet(BfdState::up, ours, Bfd::demand | Bfd::final), 1 * ms);
  CHECK(sent(session, 140 * ms).empty());
  session = down();
  session.receive(packet(BfdState::down, 0, Bfd::demand), 0);
  CHECK(sent(session, 1000 * ms).size() >= 1);
}

TEST_CASE("bfd: out of use it says so, and hears nothing", "[bfd]") {
  Session session = up();
  session.admin_down(10 * ms);
  const auto p = session.tick(10 * ms);
  REQUIRE(p);
  CHECK(p->state() == BfdState::admin_down);
  CHECK(p->diagnostic() == 7);
  session.receive(packet(BfdState::init), 11 * ms);
  CHECK(session.status().state == BfdState::admin_down);

  // A neighbour that says so is down and yet to be used, until it says otherwise.
  session = up();
  session.receive(packet(BfdState::admin_down), 20 * ms);
  CHECK(session.status().state == BfdState::down);
  CHECK(session.status().diagnostic == 3);
  CHECK(session.status().alive());
  (void)session.tick(5000 * ms);
  CHECK(session.status().alive());
  session.receive(packet(BfdState::down, 0), 5001 * ms);
  CHECK_FALSE(session.status().alive());
  session.receive(packet(BfdState::up), 5002 * ms);
  CHECK(session.status().alive());
}

TEST_CASE("bfd: two sessions find each other and stay up", "[bfd]") {
  Session a({.interval_ms = 10, .multiplier = 3}, 1, 11, 0);
  Session b({.interval_ms = 30, .multiplier = 5}, 2, 22, 0);
  Time since = never;
  for (Time now = 0; now < 20'000 * ms; now += ms / 2) {
    if (const auto p = a.tick(now)) b.receive(*p, now);
    if (const auto p = b.tick(now)) a.receive(*p, now);
    const bool both = a.status().alive() && b.status().alive();
    if (both && since == never) since = now;
    if (since != never) REQUIRE(both);
  }
  CHECK(since < 1500 * ms);
  CHECK(a.status().transmit_us == 30'000);
  CHECK(a.status().detect_us == 150'000);
  CHECK(b.status().transmit_us == 30'000);
  CHECK(b.status().detect_us == 90'000);
  CHECK_FALSE(a.tick(a.due())->has(Bfd::poll));
}

}  // namespace weft::bfd::bfd_test
