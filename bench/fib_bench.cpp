// FIB lookups and updates, beside rte_lpm with the same routes where those fit it.
#include <benchmark/benchmark.h>
#include <rte_lpm.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

#include "bench_eal.hpp"
#include "tables/fib.hpp"

namespace {

using weft::bench::Cycles;
using weft::fib::Fib4;
using weft::fib::Fib6;
using weft::fib::Key4;
using weft::fib::Key6;

struct Route {
  std::uint64_t high;
  std::uint64_t low;
  unsigned length;
};

/// Lengths as in a full table: six in ten are /24 (/48), the rest even over /16 to /32 (/32 to
/// /64).
std::vector<Route> random_routes(std::size_t count, bool v6) {
  std::mt19937_64 random(count);
  std::vector<Route> routes;
  while (routes.size() < count) {
    const unsigned length =
        random() % 10 < 6 ? (v6 ? 48 : 24)
                          : static_cast<unsigned>(v6 ? 32 + random() % 33 : 16 + random() % 17);
    std::uint64_t high = random();
    if (v6) high = (high >> 3) | 0x2000000000000000;
    if (!v6) high &= 0xffffffff00000000;
    high = high >> (64 - length) << (64 - length);
    routes.push_back({high, 0, length});
  }
  return routes;
}

/// 64 Ki destinations inside the routes, chosen evenly or by Zipf's law (exponent 1).
std::vector<Key6> destinations(const std::vector<Route>& routes, bool zipf) {
  std::mt19937_64 random(7);
  std::vector<double> weight(routes.size());
  double sum = 0;
  for (std::size_t i = 0; i < weight.size(); ++i)
    weight[i] = sum += 1.0 / static_cast<double>(i + 1);
  std::uniform_real_distribution<double> at(0, sum);
  std::vector<Key6> keys;
  for (unsigned i = 0; i < 1 << 16; ++i) {
    const std::size_t chosen =
        zipf ? static_cast<std::size_t>(std::lower_bound(weight.begin(), weight.end(), at(random)) -
                                        weight.begin())
             : random() % routes.size();
    const Route& r = routes[std::min(chosen, routes.size() - 1)];
    keys.push_back({r.high | (r.length < 64 ? random() >> r.length : 0), random()});
  }
  return keys;
}

struct Table {
  weft::Rcu rcu{1};
  weft::fib::Arena arena{rcu};
  Fib4 fib4{arena};
  Fib6 fib6{arena};
  std::vector<Route> routes;
};

Table& table(std::size_t count, bool v6) {
  static std::unique_ptr<Table> cached;
  static std::pair<std::size_t, bool> key{0, false};
  if (!cached || key != std::pair(count, v6)) {
    cached = std::make_unique<Table>();
    key = {count, v6};
    cached->routes = random_routes(count, v6);
    std::uint32_t nexthop = 0;
    for (const Route& r : cached->routes) {
      ++nexthop;
      if (v6) {
        cached->fib6.insert({r.high, r.low}, r.length, nexthop & 0xffff);
      } else {
        cached->fib4.insert({r.high}, r.length, nexthop & 0xffff);
      }
    }
  }
  return *cached;
}

Key4 narrow(Key6 key, const Key4*) { return {key.high & 0xffffffff00000000}; }
Key6 narrow(Key6 key, const Key6*) { return key; }

/// As the resolve stage does it: a burst of 32 descends level by level.
template <class Key, class Fib>
void lookup_burst(benchmark::State& state, const Fib& fib, const std::vector<Key6>& wide) {
  std::vector<Key> keys;
  for (const Key6& k : wide) keys.push_back(narrow(k, static_cast<const Key*>(nullptr)));
  constexpr std::size_t burst = 32;
  std::size_t next = 0;
  std::uint64_t sum = 0;
  Cycles cycles(state);
  for (auto _ : state) {
    std::array<weft::fib::Cursor, burst> cursors;
    for (std::size_t i = 0; i < burst; ++i) {
      cursors[i] = fib.start();
      fib.prefetch(keys[next + i], cursors[i]);
    }
    constexpr unsigned levels =
        Key::width == 32 ? weft::fib::upper_levels4 : weft::fib::upper_levels6;
    for (unsigned level = 0; level < levels; ++level) {
      for (std::size_t i = 0; i < burst; ++i) {
        if (fib.step(keys[next + i], cursors[i])) fib.prefetch(keys[next + i], cursors[i]);
      }
    }
    for (std::size_t i = 0; i < burst; ++i) sum += fib.descend(keys[next + i], cursors[i]);
    next = (next + burst) % keys.size();
  }
  cycles.done(burst);
  benchmark::DoNotOptimize(sum);
}

void fib4_lookup(benchmark::State& state) {
  Table& t = table(static_cast<std::size_t>(state.range(0)), false);
  lookup_burst<Key4>(state, t.fib4, destinations(t.routes, state.range(1) != 0));
  state.counters["bytes/route"] =
      static_cast<double>(t.fib4.bytes()) / static_cast<double>(t.fib4.routes());
}
BENCHMARK(fib4_lookup)
    ->ArgNames({"routes", "zipf"})
    ->Args({10, 0})
    ->Args({1000, 0})
    ->Args({1000, 1})
    ->Args({1000000, 0})
    ->Args({1000000, 1});

void fib6_lookup(benchmark::State& state) {
  Table& t = table(static_cast<std::size_t>(state.range(0)), true);
  lookup_burst<Key6>(state, t.fib6, destinations(t.routes, state.range(1) != 0));
  state.counters["bytes/route"] =
      static_cast<double>(t.fib6.bytes()) / static_cast<double>(t.fib6.routes());
}
BENCHMARK(fib6_lookup)
    ->ArgNames({"routes", "zipf"})
    ->Args({10, 0})
    ->Args({1000, 0})
    ->Args({1000000, 0})
    ->Args({1000000, 1});

void fib4_update(benchmark::State& state) {
  Table& t = table(static_cast<std::size_t>(state.range(0)), false);
  std::mt19937_64 random(3);
  unsigned n = 0;
  for (auto _ : state) {
    const Route& r = t.routes[random() % t.routes.size()];
    t.fib4.erase({r.high}, r.length);
    t.fib4.insert({r.high}, r.length, 1);
    if (++n % 64 == 0) t.rcu.reclaim();
  }
  state.SetItemsProcessed(state.iterations() * 2);  // a withdrawal and an announcement
}
BENCHMARK(fib4_update)->ArgName("routes")->Arg(1000)->Arg(1000000);

void lpm_lookup_peer(benchmark::State& state) {
  weft::bench::pool();
  const auto routes = random_routes(static_cast<std::size_t>(state.range(0)), false);
  const rte_lpm_config config{.max_rules = 1 << 21, .number_tbl8s = 1 << 14, .flags = 0};
  rte_lpm* lpm = rte_lpm_create("peer", SOCKET_ID_ANY, &config);
  if (lpm == nullptr) {
    state.SkipWithError("rte_lpm does not fit");
    return;
  }
  for (const Route& r : routes) {
    rte_lpm_add(lpm, static_cast<std::uint32_t>(r.high >> 32), static_cast<std::uint8_t>(r.length),
                1);
  }
  std::vector<std::uint32_t> keys;
  for (const Key6& k : destinations(routes, false))
    keys.push_back(static_cast<std::uint32_t>(k.high >> 32));
  std::size_t next = 0;
  std::uint32_t out[32];
  Cycles cycles(state);
  for (auto _ : state) {
    rte_lpm_lookup_bulk(lpm, &keys[next], out, 32);
    benchmark::DoNotOptimize(out);
    next = (next + 32) % keys.size();
  }
  cycles.done(32);
  rte_lpm_free(lpm);
}
BENCHMARK(lpm_lookup_peer)->ArgName("routes")->Arg(1000);

}  // namespace
