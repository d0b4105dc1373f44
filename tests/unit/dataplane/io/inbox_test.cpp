// Packets on their way from worker to worker, also for the thread sanitizer.
#include "io/inbox.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <random>
#include <thread>

#include "io/idle.hpp"

namespace weft::io::inbox_test {
namespace {

/// Numbers in place of packets: nobody looks into them.
Handed numbered(std::uint64_t number) {
  return {reinterpret_cast<rte_mbuf*>(static_cast<std::uintptr_t>(number)), PortId(3, 1)};
}
std::uint64_t number_of(const Handed& handed) {
  return reinterpret_cast<std::uintptr_t>(handed.packet);
}
std::vector<Handed> numbers(std::uint64_t first, std::size_t count) {
  std::vector<Handed> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(numbered(first + i));
  return all;
}

/// What one take() brings, in its order.
std::vector<std::uint64_t> taken(Inbox& inbox, unsigned most = max_burst) {
  std::vector<std::uint64_t> all;
  inbox.take(most, [&](std::span<const Handed> handed) {
    for (const Handed& one : handed) {
      CHECK(one.port == PortId(3, 1));
      all.push_back(number_of(one));
    }
  });
  return all;
}

TEST_CASE("an inbox gives out what came in, in order and bursts, every sender in turn") {
  Inbox inbox(1, 3);
  CHECK(inbox.empty());
  CHECK(taken(inbox).empty());
  CHECK(inbox.put(0, numbers(1, 3)).first);
  CHECK_FALSE(inbox.put(2, numbers(101, 1)).first);
  CHECK_FALSE(inbox.put(0, numbers(4, 3)).first);
  CHECK_FALSE(inbox.empty());
  CHECK(taken(inbox, 4) == std::vector<std::uint64_t>{1, 2, 3, 4, 101});
  CHECK_FALSE(inbox.empty());
  CHECK(taken(inbox, 4) == std::vector<std::uint64_t>{5, 6});
  CHECK(inbox.empty());
  CHECK(inbox.put(2, numbers(102, 1)).first);
}

TEST_CASE("a full ring takes the first packets, and is no other sender's") {
  Inbox inbox(0, 3);
  std::uint64_t put = 0;
  for (unsigned taken_now = 64; taken_now == 64; put += taken_now) {
    taken_now = inbox.put(1, numbers(put, 64)).taken;
    REQUIRE(put <= Inbox::capacity);
  }
  CHECK(put == Inbox::capacity);
  CHECK(inbox.put(1, numbers(put, 64)).taken == 0);
  CHECK(inbox.put(2, numbers(5000, 64)).taken == 64);
  std::uint64_t next = 0;
  while (!inbox.empty()) {
    for (const std::uint64_t number : taken(inbox)) next += number == next;
  }
  CHECK(next == put);
}

TEST_CASE("nothing is lost, overtaken or slept through between workers") {
  constexpr unsigned senders = 2;
  constexpr std::uint64_t packets = 30000;
  Inbox inbox(senders, senders + 1);
  Idle idle(true, 1);
  idle.watch({}, true);
  std::vector<std::thread> threads;
  for (unsigned sender = 0; sender < senders; ++sender) {
    threads.emplace_back([&, sender] {
      std::mt19937 random(sender);
      for (std::uint64_t next = 0; next < packets;) {
        const auto count = std::min<std::uint64_t>(1 + random() % 32, packets - next);
        const auto put = inbox.put(sender, numbers(std::uint64_t{sender} << 32 | next, count));
        next += put.taken;
        if (put.first) idle.wake();
        if (random() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
      }
    });
  }
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t next[senders] = {};
  std::uint64_t wrong = 0;
  unsigned sleeps = 0;
  while (next[0] + next[1] < senders * packets) {
    if (inbox.empty()) {
      ++sleeps;
      idle.sleep(20000, [&] { return inbox.empty(); });  // a missed call would be felt
    }
    inbox.take(32, [&](std::span<const Handed> handed) {
      for (const Handed& one : handed) {
        const std::uint64_t number = number_of(one);
        wrong += static_cast<std::uint32_t>(number) != next[number >> 32]++;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(sleeps > 10);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(15));
  CHECK(inbox.empty());
}

}  // namespace
}  // namespace weft::io::inbox_test
