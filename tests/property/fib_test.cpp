// The FIB against a naive model on random tables, for both families, with readers' memory checked
// by the sanitizers. The seed is printed; WEFT_SEED repeats a run.
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "support/seed.hpp"
#include "tables/fib.hpp"

namespace weft::fib {
namespace {

using test::seed;

template <class Key>
struct Family;

template <>
struct Family<Key4> {
  using Word = std::uint64_t;
  static constexpr unsigned width = 32;
  static Key4 key(Word w) { return {w << 32}; }
};

template <>
struct Family<Key6> {
  using Word = unsigned __int128;
  static constexpr unsigned width = 128;
  static Key6 key(Word w) {
    return {static_cast<std::uint64_t>(w >> 64), static_cast<std::uint64_t>(w)};
  }
};

/// Longest match by trying every length.
template <class Key>
class Model {
 public:
  using Word = typename Family<Key>::Word;
  static constexpr unsigned width = Family<Key>::width;
  static Word mask(Word w, unsigned length) {
    return length == 0 ? 0 : w >> (width - length) << (width - length);
  }
  void insert(Word w, unsigned length, std::uint32_t nexthop) { routes_[{length, w}] = nexthop; }
  bool erase(Word w, unsigned length) { return routes_.erase({length, w}) != 0; }
  std::uint32_t lookup(Word w) const {
    for (int length = width; length >= 0; --length) {
      const auto n = static_cast<unsigned>(length);
      if (const auto found = routes_.find({n, mask(w, n)}); found != routes_.end()) {
        return found->second;
      }
    }
    return no_route;
  }
  [[nodiscard]] const auto& routes() const { return routes_; }

 private:
  std::map<std::pair<unsigned, Word>, std::uint32_t> routes_;
};

template <class Key>
void compare_with_model(std::uint64_t run_seed, unsigned operations, unsigned spread_bits) {
  using F = Family<Key>;
  using Word = typename F::Word;
  std::mt19937_64 random(run_seed);
  Rcu rcu(1);
  Arena arena(rcu, std::size_t{1} << 30);
  {
    Fib<Key> fib(arena);
    Model<Key> model;
    const auto random_word = [&] {
      Word w = random();
      if constexpr (F::width == 128) w = w << 64 | random();
      if constexpr (F::width == 32) w &= 0xffffffff;
      // Few free bits make dense regions and prefixes that cover each other.
      const unsigned at = random() % (F::width - spread_bits + 1);
      Word keep = ((Word{1} << spread_bits) - 1) << at;
      if (random() % 4 == 0) keep = ~Word{0};
      return Model<Key>::mask(w & keep, F::width);
    };
    const auto check = [&](Word w) {
      const std::uint32_t expected = model.lookup(w);
      if (fib.lookup(F::key(w)) != expected) {
        INFO("seed " << run_seed << " low word " << static_cast<std::uint64_t>(w));
        REQUIRE(fib.lookup(F::key(w)) == expected);
      }
    };
    for (unsigned n = 0; n < operations; ++n) {
      const bool remove = !model.routes().empty() && random() % 3 == 0;
      if (remove) {
        auto victim = model.routes().begin();
        std::advance(victim, static_cast<long>(random() % model.routes().size()));
        const auto [length, word] = victim->first;
        REQUIRE(fib.erase(F::key(word), length));
        REQUIRE_FALSE(fib.erase(F::key(word), length));
        model.erase(word, length);
        check(word);
      } else {
        const auto length = static_cast<unsigned>(random() % (F::width + 1));
        const Word word = Model<Key>::mask(random_word(), length);
        const auto nexthop = static_cast<std::uint32_t>(random() % 1000);
        REQUIRE(fib.insert(F::key(word), length, nexthop));
        model.insert(word, length, nexthop);
        REQUIRE(fib.find(F::key(word), length) == nexthop);
        check(word);
        check(word | (length == F::width ? Word{0} : Word{1} << (F::width - length - 1)));
      }
      for (unsigned i = 0; i < 4; ++i) check(random_word());
      if (n % 64 == 0) rcu.reclaim();
    }
    REQUIRE(fib.routes() == model.routes().size());
    for (const auto& [key, nexthop] : model.routes()) check(key.second);
    const auto routes = model.routes();
    for (const auto& [key, nexthop] : routes) REQUIRE(fib.erase(F::key(key.second), key.first));
    for (unsigned i = 0; i < 100; ++i) REQUIRE(fib.lookup(F::key(random_word())) == no_route);
  }
  rcu.reclaim(~std::size_t{0});
  REQUIRE(arena.used_bytes() == 0);
}

}  // namespace

TEST_CASE("random IPv4 tables agree with the model", "[fib]") {
  for (unsigned run = 0; run < 40; ++run) {
    compare_with_model<Key4>(seed() + run, 600, 6 + run % 20);
  }
}

TEST_CASE("random IPv6 tables agree with the model", "[fib]") {
  for (unsigned run = 0; run < 20; ++run) {
    compare_with_model<Key6>(seed() + run, 400, 6 + run % 30);
  }
}

TEST_CASE("dense tables, whose nodes widen, agree with the model", "[fib]") {
  std::mt19937_64 random(seed());
  Rcu rcu(1);
  Arena arena(rcu, std::size_t{1} << 30);
  Fib4 fib(arena);
  Model<Key4> model;
  // Whole regions in order, in reverse and at random, with short prefixes put in before and after.
  const auto insert = [&](std::uint64_t word, unsigned length) {
    const auto nexthop = static_cast<std::uint32_t>(random() % 100000);
    word = Model<Key4>::mask(word, length);
    REQUIRE(fib.insert(Family<Key4>::key(word), length, nexthop));
    model.insert(word, length, nexthop);
  };
  insert(0x0a000000, 8);
  for (std::uint64_t i = 0; i < 4096; ++i) insert(0x0a000000 + (i << 8), 24);
  for (std::uint64_t i = 4096; i-- > 0;) insert(0x0b000000 + (i << 12), 20 + i % 9);
  for (unsigned i = 0; i < 20000; ++i) insert(random() & 0xffffffff, 16 + random() % 17);
  for (unsigned i = 0; i < 2000; ++i) insert(random() & 0xffffffff, 1 + random() % 16);
  std::size_t wrong = 0;
  for (unsigned i = 0; i < 200000; ++i) {
    const std::uint64_t word =
        i % 2 == 0 ? random() & 0xffffffff : 0x0a000000 + random() % (1 << 25);
    wrong += fib.lookup(Family<Key4>::key(word)) != model.lookup(word) ? 1 : 0;
  }
  REQUIRE(wrong == 0);
  unsigned n = 0;
  for (const auto& [key, nexthop] : std::map(model.routes())) {
    if (n++ % 2 == 0) continue;
    REQUIRE(fib.erase(Family<Key4>::key(key.second), key.first));
    model.erase(key.second, key.first);
  }
  for (unsigned i = 0; i < 200000; ++i) {
    const std::uint64_t word =
        i % 2 == 0 ? random() & 0xffffffff : 0x0a000000 + random() % (1 << 25);
    wrong += fib.lookup(Family<Key4>::key(word)) != model.lookup(word) ? 1 : 0;
  }
  REQUIRE(wrong == 0);
}

TEST_CASE("small tables are small", "[fib]") {
  Rcu rcu(1);
  Arena arena(rcu, std::size_t{64} << 20);
  Fib4 fib4(arena);
  Fib6 fib6(arena);
  REQUIRE(sizeof(Fib4) + sizeof(Fib6) + fib4.bytes() + fib6.bytes() <= 300);
  for (std::uint32_t i = 0; i < 10; ++i) {
    REQUIRE(fib4.insert(key_of(Ipv4Address{0x0a010000 + i * 7919}), 32, i));
  }
  REQUIRE(fib4.bytes() < 2048);
}

}  // namespace weft::fib
