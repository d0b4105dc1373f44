// The flow table against a map, under random opening, looking up, closing and aging by writers in
// turn. The seed is printed; WEFT_SEED repeats a run.
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "support/flow_keys.hpp"
#include "support/seed.hpp"
#include "tables/flow_table.hpp"

namespace weft {
namespace {

using test::conversation;
using test::Conversation;

constexpr FlowTick timeout = 1000;

template <class Key>
class World {
 public:
  explicit World(std::size_t sessions) : table_(tunnel::HashSeed{}, sessions, ticks_) {
    for (unsigned w = 0; w < 2; ++w) rcu_.register_reader(w);
    for (unsigned w = 0; w < 2; ++w) rcu_.online(w);
    ticks_.udp_one_way.set(timeout);
    ticks_.udp_answered.set(2 * timeout);
  }

  /// A packet of one side: its direction is opened, unless it stands.
  void packet(unsigned number, bool back, unsigned worker) {
    const Conversation<Key> c = conversation<Key>(number);
    const Key& key = back ? c.back : c.there;
    const std::uint64_t hash = table_.hash(key);
    std::uint32_t direction = table_.find(key, hash);
    const auto known = model_.find(number);
    REQUIRE((direction != 0) == (known != model_.end()));
    if (direction == 0) {
      direction = table_.open(
          writers_[worker],
          {.forward = key, .reverse = back ? c.there : c.back, .forward_hash = hash, .now = now_});
      forget_lost();  // what had to make room
      if (direction == 0) return;
      model_[number] = {direction / 2, table_.session_of(direction).id.get()};
      REQUIRE(FlowTable<Key>::is_forward(direction));
    }
    REQUIRE(table_.entry(direction).key == key);
    REQUIRE(direction / 2 == model_[number].session);
    REQUIRE(table_.session_of(direction).id.get() == model_[number].id);
    REQUIRE(table_.entry(FlowTable<Key>::other(direction)).key == (back ? c.there : c.back));
    table_.entry(direction).packets.add(1);
    table_.entry(direction).last_seen.set(now_);
  }

  void close(unsigned number, unsigned worker) {
    const auto known = model_.find(number);
    if (known == model_.end()) return;
    REQUIRE(table_.close(writers_[worker], 2 * known->second.session));
    REQUIRE_FALSE(table_.close(writers_[worker], 2 * known->second.session));
    model_.erase(known);
  }

  void pass(FlowTick ticks) {
    now_ += ticks;
    std::vector<unsigned> due;
    for (const auto& [number, at] : model_) {
      if (table_.idle(at.session, now_) >= table_.timeout(at.session)) due.push_back(number);
    }
    for (FlowWriter& writer : writers_) table_.age(writer, now_, table_.capacity(), 2);
    for (const unsigned number : due) {
      REQUIRE_FALSE(table_.live(model_[number].session));
      model_.erase(number);
    }
    quiet();
  }

  void quiet() {
    for (unsigned w = 0; w < 2; ++w) rcu_.quiescent(w);
    for (FlowWriter& writer : writers_) table_.reclaim(writer);
  }

  /// Sessions that were closed to make room are gone from both sides.
  void forget_lost() {
    std::erase_if(model_, [&](const auto& item) { return !table_.live(item.second.session); });
  }

  void check() const {
    std::size_t live = 0;
    std::size_t halves = 0;  // where the bucket of the other key was full
    for (std::uint32_t s = 1; s <= table_.frontier(); ++s) live += table_.live(s);
    REQUIRE(live == model_.size());
    for (const auto& [number, at] : model_) {
      const Conversation<Key> c = conversation<Key>(number);
      const std::uint32_t there = table_.find(c.there, table_.hash(c.there));
      const std::uint32_t back = table_.find(c.back, table_.hash(c.back));
      REQUIRE((there / 2 == at.session || back / 2 == at.session));
      halves += there == 0 || back == 0;
      REQUIRE((there == 0 || table_.searcher().candidate(table_.hash(c.there)) != 0));
    }
    REQUIRE(halves < 10);
  }
  [[nodiscard]] std::size_t size() const { return model_.size(); }
  [[nodiscard]] const FlowTable<Key>& table() const { return table_; }
  [[nodiscard]] const FlowWriter& writer(unsigned w) const { return writers_[w]; }

 private:
  struct Known {
    std::uint32_t session;
    std::uint64_t id;
  };
  Rcu rcu_{2};
  FlowRules ticks_;
  FlowTable<Key> table_;
  FlowWriter writers_[2] = {{rcu_, 0, IpFamily::v4}, {rcu_, 1, IpFamily::v4}};
  std::map<unsigned, Known> model_;
  FlowTick now_ = 0xffffff00;  // wraps soon
};

TEMPLATE_TEST_CASE("The flow table agrees with a map", "[property]", FlowKey4, FlowKey6) {
  std::mt19937 random(test::seed());
  World<TestType> world(1024);
  for (unsigned step = 0; step < 40000; ++step) {
    const unsigned number = random() % 700;
    const unsigned worker = random() % 2;
    const unsigned what = random() % 100;
    if (what < 80) {
      world.packet(number, random() % 2 != 0, worker);
    } else if (what < 95) {
      world.close(number, worker);
    } else if (what < 99) {
      world.quiet();
    } else {
      world.pass(random() % 400);
    }
    if (step % 512 == 0) world.check();
  }
  world.check();
  REQUIRE(world.writer(0).expired.get() + world.writer(1).expired.get() > 100);
}

TEMPLATE_TEST_CASE("A full flow table makes room for new flows and counts what it refuses",
                   "[property]", FlowKey4, FlowKey6) {
  std::mt19937 random(test::seed());
  World<TestType> world(4096);
  for (unsigned number = 0; number < 12000; ++number) {
    world.packet(number, random() % 2 != 0, random() % 2);
    world.quiet();
  }
  world.check();
  const std::uint64_t evicted = world.writer(0).evicted.get() + world.writer(1).evicted.get();
  const std::uint64_t refused = world.writer(0).refused.get() + world.writer(1).refused.get();
  REQUIRE(evicted > 8000);
  REQUIRE(refused < 10);  // a bucket may be full once in a while
  REQUIRE(world.size() > 3500);
}

}  // namespace
}  // namespace weft
