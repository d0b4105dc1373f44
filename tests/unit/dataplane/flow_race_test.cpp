// Workers that open, find, close and age the same conversations at once: made for the thread
// sanitizer, and true without it.
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <random>
#include <thread>

#include "support/flow_keys.hpp"
#include "tables/flow_table.hpp"

namespace weft::flow_race_test {
namespace {

using test::conversation;
using test::Conversation;

constexpr unsigned workers = 3;

/// Catch2's macros are not for threads, so wrong answers are counted.
template <class Key>
class Race {
 public:
  Race() : table_(tunnel::HashSeed{}, 1 << 18, ticks_) {
    for (unsigned w = 0; w < workers; ++w) {
      rcu_.register_reader(w);
      writers_.push_back(
          std::make_unique<FlowWriter>(rcu_, static_cast<std::uint8_t>(w), IpFamily::v4));
    }
    ticks_.udp_one_way.set(1000);
    ticks_.udp_answered.set(1000);
  }

  /// Each worker calls `turn(writer, random)` until the time is up.
  template <class Turn>
  void run(std::chrono::milliseconds time, Turn turn) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (unsigned w = 0; w < workers; ++w) {
      threads.emplace_back([&, w] {
        std::mt19937 random(w);
        rcu_.online(w);
        for (unsigned i = 0; !stop.load(std::memory_order_relaxed); ++i) {
          turn(*writers_[w], random);
          rcu_.quiescent(w);
          table_.reclaim(*writers_[w]);
          if (i % 16 == 0) std::this_thread::yield();
        }
        rcu_.offline(w);
      });
    }
    std::this_thread::sleep_for(time);
    stop.store(true);
    for (auto& thread : threads) thread.join();
  }

  /// A packet of a conversation, from either side. False: it found what is not its own.
  bool packet(FlowWriter& writer, unsigned number, bool back) {
    const Conversation<Key> c = conversation<Key>(number);
    const Key& key = back ? c.back : c.there;
    const Key& reverse = back ? c.there : c.back;
    const std::uint64_t hash = table_.hash(key);
    std::uint32_t direction = table_.find(key, hash);
    if (direction == 0) {
      direction = table_.open(
          writer,
          {.forward = key, .reverse = reverse, .forward_hash = hash, .now = now_.fetch_add(1)});
      if (direction == 0) {  // so often closed that its places wait for a grace period
        refused_.fetch_add(1);
        return true;
      }
    }
    FlowEntry<Key>& entry = table_.entry(direction);
    entry.packets.add_shared(1);
    return entry.key == key && table_.entry(direction ^ 1).key == reverse;
  }

  /// How many conversations below `count` stand; -1: one stands twice or not whole.
  int standing(unsigned count) const {
    int found = 0;
    for (unsigned number = 0; number < count; ++number) {
      const Conversation<Key> c = conversation<Key>(number);
      const std::uint32_t there = table_.find(c.there, table_.hash(c.there));
      const std::uint32_t back = table_.find(c.back, table_.hash(c.back));
      if (there / 2 != back / 2) return -1;
      found += there != 0;
    }
    return found;
  }
  int live() const {
    int live = 0;
    for (std::uint32_t s = 1; s <= table_.frontier(); ++s) live += table_.live(s);
    return live;
  }

  Rcu rcu_{workers};
  FlowRules ticks_;
  FlowTable<Key> table_;
  std::vector<std::unique_ptr<FlowWriter>> writers_;
  std::atomic<FlowTick> now_{0};
  std::atomic<std::uint64_t> refused_{0};
};

TEMPLATE_TEST_CASE("Two workers never open two sessions for one conversation", "[flow]", FlowKey4,
                   FlowKey6) {
  Race<TestType> race;
  constexpr unsigned conversations = 400;
  std::atomic<unsigned> wrong{0};
  std::atomic<std::uint64_t> packets{0};
  race.run(std::chrono::milliseconds(700), [&](FlowWriter& writer, std::mt19937& random) {
    const unsigned number = random() % conversations;
    if (!race.packet(writer, number, random() % 2 != 0)) wrong.fetch_add(1);
    packets.fetch_add(1);
    if (random() % 512 != 0) return;
    const Conversation<TestType> c = conversation<TestType>(random() % conversations);
    const std::uint32_t direction = race.table_.find(c.there, race.table_.hash(c.there));
    if (direction != 0) race.table_.close(writer, direction);
  });
  INFO(packets.load() << " packets");
  REQUIRE(wrong.load() == 0);
  REQUIRE(packets.load() > 1000);
  REQUIRE(race.refused_.load() < packets.load());
  REQUIRE(race.standing(conversations) >= 0);
  REQUIRE(race.standing(conversations) == race.live());
}

TEMPLATE_TEST_CASE("Sessions that age under other workers' eyes leave whole ones only", "[flow]",
                   FlowKey4, FlowKey6) {
  Race<TestType> race;
  constexpr unsigned conversations = 2000;
  std::atomic<unsigned> wrong{0};
  race.run(std::chrono::milliseconds(700), [&](FlowWriter& writer, std::mt19937& random) {
    for (unsigned i = 0; i < 8; ++i) {
      if (!race.packet(writer, random() % conversations, random() % 2 != 0)) wrong.fetch_add(1);
    }
    race.table_.age(writer, race.now_.load(), 64, workers);
  });
  REQUIRE(wrong.load() == 0);
  REQUIRE(race.standing(conversations) == race.live());
  std::uint64_t expired = 0;
  for (const auto& writer : race.writers_) expired += writer->expired.get();
  REQUIRE(expired > 0);
}

TEST_CASE("Workers that open sessions of one VIF at once keep its limit", "[flow]") {
  Race<FlowKey4> race;
  constexpr VifId vif(5);
  constexpr std::uint32_t limit = 20;
  race.ticks_.sessions_a_vif.set(limit);
  std::atomic<unsigned> number{0};
  std::atomic<unsigned> opened{0};
  std::atomic<unsigned> above{0};
  race.run(std::chrono::milliseconds(500), [&](FlowWriter& writer, std::mt19937&) {
    const Conversation<FlowKey4> c = conversation<FlowKey4>(number.fetch_add(1) % 100000);
    const std::uint64_t hash = race.table_.hash(c.there);
    if (race.table_.open(
            writer,
            {.forward = c.there, .reverse = c.back, .forward_hash = hash, .charged = vif}) != 0) {
      opened.fetch_add(1);
    }
    if (race.table_.of_vif(vif) > limit) above.fetch_add(1);
  });
  REQUIRE(opened.load() > 10 * limit);
  REQUIRE(above.load() == 0);
  REQUIRE(race.live() <= static_cast<int>(limit));
}

TEST_CASE("Packets that several workers count are all counted", "[flow]") {
  Race<FlowKey4> race;
  constexpr unsigned conversations = 500;
  std::atomic<std::uint64_t> sent{0};
  race.run(std::chrono::milliseconds(500), [&](FlowWriter& writer, std::mt19937& random) {
    race.packet(writer, random() % conversations, random() % 2 != 0);
    sent.fetch_add(1);
  });
  REQUIRE(race.refused_.load() == 0);
  std::uint64_t counted = 0;
  for (std::uint32_t d = 2; d < 2 * (race.table_.frontier() + 1); ++d) {
    counted += race.table_.entry(d).packets.get();
  }
  REQUIRE(counted == sent.load());
}

}  // namespace
}  // namespace weft::flow_race_test
