// The flow table beside rte_hash (lock-free readers, several writers) with the same keys: finding
// and counting a burst of known flows, and opening and closing sessions.
#include <benchmark/benchmark.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>

#include <algorithm>
#include <memory>
#include <random>

#include "bench_eal.hpp"
#include "tables/flow_tables.hpp"

namespace {

using weft::FlowEntry;
using weft::FlowKey4;
using weft::FlowKey6;
using weft::FlowTable;
using weft::bench::Cycles;

constexpr std::size_t burst = 32;

void flow_counts(benchmark::internal::Benchmark* bench) {
  bench->ArgName("flows")->Arg(1 << 10)->Arg(100 << 10)->Arg(1 << 20);
}

template <class Key>
Key make_key(std::uint32_t number) {
  const auto ports = static_cast<weft::FlowPorts>(number << 16 | 0x5000);
  if constexpr (std::is_same_v<Key, FlowKey4>) {
    const std::uint64_t source = 0x0a000000 + (number >> 12);
    return {0x0a800001ULL << 32 | source, ports, weft::VrfId(1), 17};
  } else {
    const std::uint64_t both[4] = {0xfd, number >> 12, 0xfd00, 1};
    return {both, ports, weft::VrfId(1), 17};
  }
}

/// Keys of flows in random order, many times around.
template <class Key>
std::vector<Key> shuffled(std::size_t flows) {
  std::vector<Key> keys;
  for (std::uint32_t i = 0; i < flows; ++i) keys.push_back(make_key<Key>(i));
  std::shuffle(keys.begin(), keys.end(), std::mt19937(1));
  return keys;
}

/// A table with sessions of which only the forward directions are looked for.
template <class Key>
struct Filled {
  explicit Filled(std::size_t flows, std::size_t capacity)
      : table(weft::tunnel::HashSeed{}, capacity, rules), writer(rcu, 0, weft::IpFamily::v4) {
    rcu.register_reader(0);
    rcu.online(0);
    for (std::uint32_t i = 0; i < flows; ++i) open(make_key<Key>(i));
  }
  std::uint32_t open(const Key& key) {
    const Key reverse = key.reverse(weft::VrfId(1));
    table.prefetch(writer, reverse);
    return table.open(writer,
                      {.forward = key, .reverse = reverse, .forward_hash = table.hash(key)});
  }
  weft::Rcu rcu{1};
  weft::FlowRules rules;
  FlowTable<Key> table;
  weft::FlowWriter writer;
};

template <class Key>
void flow_find(benchmark::State& state) {
  weft::bench::pool();
  const auto flows = static_cast<std::size_t>(state.range(0));
  Filled<Key> filled(flows, 2 * flows);  // half full
  FlowTable<Key>& table = filled.table;
  const std::vector<Key> keys = shuffled<Key>(flows);
  const auto searcher = table.searcher();
  const weft::tunnel::HashSeed seed;
  std::size_t at = 0;
  std::uint64_t missed = 0;
  Cycles cycles(state);
  for (auto _ : state) {
    std::uint64_t hashes[burst];
    std::uint32_t found[burst];
    for (std::size_t i = 0; i < burst; ++i) {
      hashes[i] = keys[at + i].hash(seed);
      searcher.prefetch(hashes[i]);
    }
    for (std::size_t i = 0; i < burst; ++i) {
      found[i] = searcher.candidate(hashes[i]);
    }
    for (std::size_t i = 0; i < burst; ++i) {
      FlowEntry<Key>* entry = &table.entry(found[i]);
      if (!(entry->key == keys[at + i])) entry = &table.entry(table.find(keys[at + i], hashes[i]));
      missed += !(entry->key == keys[at + i]);
      entry->packets.add(1);
    }
    at = at + 2 * burst <= keys.size() ? at + burst : 0;
  }
  cycles.done(burst);
  state.counters["bytes/flow"] =
      static_cast<double>(table.bytes()) / static_cast<double>(2 * table.capacity());
  if (missed != 0) state.SkipWithError("a flow is missing");
}
BENCHMARK_TEMPLATE(flow_find, FlowKey4)->Apply(flow_counts);
BENCHMARK_TEMPLATE(flow_find, FlowKey6)->Apply(flow_counts);

/// rte_hash, whose data is a line to count in.
struct alignas(64) Counted {
  std::uint64_t packets;
};

template <class Key>
rte_hash* make_hash(std::size_t entries) {
  rte_hash_parameters parameters{};
  parameters.name = "flows";
  parameters.entries = static_cast<std::uint32_t>(entries);
  parameters.key_len = sizeof(Key);
  parameters.hash_func = rte_hash_crc;
  parameters.socket_id = -1;
  parameters.extra_flag =
      RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_MULTI_WRITER_ADD;
  return rte_hash_create(&parameters);
}

template <class Key>
void rte_hash_find(benchmark::State& state) {
  weft::bench::pool();
  const auto flows = static_cast<std::size_t>(state.range(0));
  rte_hash* hash = make_hash<Key>(4 * flows);
  if (hash == nullptr) return state.SkipWithError("no memory for rte_hash");
  std::vector<Counted> counted(flows);
  for (std::uint32_t i = 0; i < flows; ++i) {
    const Key key = make_key<Key>(i);
    const Key reverse = key.reverse(weft::VrfId(1));
    rte_hash_add_key_data(hash, &key, &counted[i]);
    rte_hash_add_key_data(hash, &reverse, &counted[i]);
  }
  const std::vector<Key> keys = shuffled<Key>(flows);
  std::size_t at = 0;
  std::uint64_t missed = 0;
  Cycles cycles(state);
  for (auto _ : state) {
    const void* pointers[burst];
    void* data[burst];
    std::uint64_t hits = 0;
    for (std::size_t i = 0; i < burst; ++i) pointers[i] = &keys[at + i];
    rte_hash_lookup_bulk_data(hash, pointers, burst, &hits, data);
    missed += hits != 0xffffffff;
    for (void* one : data) __builtin_prefetch(one);
    for (void* one : data) ++static_cast<Counted*>(one)->packets;
    at = at + 2 * burst <= keys.size() ? at + burst : 0;
  }
  cycles.done(burst);
  rte_hash_free(hash);
  if (missed != 0) state.SkipWithError("a flow is missing");
}
BENCHMARK_TEMPLATE(rte_hash_find, FlowKey4)->Apply(flow_counts);
BENCHMARK_TEMPLATE(rte_hash_find, FlowKey6)->Apply(flow_counts);

/// Opens a session (both directions) while half of the table is full, and closes the oldest.
void flow_open(benchmark::State& state) {
  weft::bench::pool();
  const auto capacity = static_cast<std::size_t>(state.range(0));
  Filled<FlowKey4> filled(capacity / 2, capacity);
  auto next = static_cast<std::uint32_t>(capacity / 2);
  std::uint32_t oldest = 0;
  std::uint64_t refused = 0;
  Cycles cycles(state);
  for (auto _ : state) {
    for (std::size_t i = 0; i < burst; ++i) {
      refused += filled.open(make_key<FlowKey4>(next++)) == 0;
      const FlowKey4 key = make_key<FlowKey4>(oldest++);
      filled.table.close(filled.writer, filled.table.find(key, filled.table.hash(key)));
    }
    filled.rcu.quiescent(0);
    filled.table.reclaim(filled.writer);
  }
  cycles.done(burst);
  if (refused != 0) state.SkipWithError("a session found no room");
}
BENCHMARK(flow_open)->ArgName("sessions")->Arg(1 << 12)->Arg(1 << 17)->Arg(1 << 20);

/// The same two keys put into rte_hash and the oldest two deleted.
void rte_hash_open(benchmark::State& state) {
  weft::bench::pool();
  const auto capacity = static_cast<std::size_t>(state.range(0));
  rte_hash* hash = make_hash<FlowKey4>(2 * capacity);
  if (hash == nullptr) return state.SkipWithError("no memory for rte_hash");
  Counted counted{};
  const auto add = [&](std::uint32_t number) {
    const FlowKey4 key = make_key<FlowKey4>(number);
    const FlowKey4 reverse = key.reverse(weft::VrfId(1));
    return rte_hash_add_key_data(hash, &key, &counted) |
           rte_hash_add_key_data(hash, &reverse, &counted);
  };
  for (std::uint32_t i = 0; i < capacity / 2; ++i) add(i);
  auto next = static_cast<std::uint32_t>(capacity / 2);
  std::uint32_t oldest = 0;
  std::uint64_t refused = 0;
  Cycles cycles(state);
  for (auto _ : state) {
    for (std::size_t i = 0; i < burst; ++i) {
      refused += add(next++) != 0;
      const FlowKey4 key = make_key<FlowKey4>(oldest++);
      for (const FlowKey4& one : {key, key.reverse(weft::VrfId(1))}) {
        const std::int32_t place = rte_hash_del_key(hash, &one);
        if (place >= 0) rte_hash_free_key_with_position(hash, place);
      }
    }
  }
  cycles.done(burst);
  rte_hash_free(hash);
  if (refused != 0) state.SkipWithError("a key found no room");
}
BENCHMARK(rte_hash_open)->ArgName("sessions")->Arg(1 << 12)->Arg(1 << 17)->Arg(1 << 20);

}  // namespace
