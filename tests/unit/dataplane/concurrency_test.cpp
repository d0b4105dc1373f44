// Tables that are changed while readers look things up: made for the thread sanitizer, and true
// without it. Each case takes about two seconds.
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <random>
#include <thread>

#include "support/naive.hpp"
#include "support/small_world.hpp"

namespace weft::concurrency_test {
namespace {

using test::ip;
using test::prefix;
using test::tunnel_to;

constexpr unsigned reader_count = 2;
constexpr unsigned looks_a_turn = 4;

/// Threads that call `look` over and over, each with a quiescent point behind it, and stand aside
/// now and then. Catch2's macros are not for threads, so wrong answers are counted.
class Readers {
 public:
  /// Answers whether all was as it must be.
  using Look = std::function<bool(std::mt19937&)>;

  Readers(Rcu& rcu, Look look) : rcu_(rcu), look_(std::move(look)) {
    for (unsigned i = 0; i < reader_count; ++i) rcu_.register_reader(i);
    for (unsigned i = 0; i < reader_count; ++i) threads_.emplace_back([this, i] { run(i); });
  }
  ~Readers() { stop(); }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  void stop() {
    stopping_.store(true);
    for (auto& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  [[nodiscard]] std::uint64_t wrong() const { return wrong_.load(); }
  [[nodiscard]] std::uint64_t looks() const { return looks_.load(); }

 private:
  void run(unsigned number) {
    std::mt19937 random(number);
    rcu_.online(number);
    for (unsigned turn = 0; !stopping_.load(std::memory_order_relaxed); ++turn) {
      for (unsigned i = 0; i < looks_a_turn; ++i) {
        if (!look_(random)) wrong_.fetch_add(1);
      }
      looks_.fetch_add(looks_a_turn, std::memory_order_relaxed);
      rcu_.quiescent(number);
      if (turn % 64 == 0) {
        rcu_.offline(number);
        std::this_thread::yield();
        rcu_.online(number);
      }
    }
    rcu_.offline(number);
  }

  Rcu& rcu_;
  Look look_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> wrong_{0};
  std::atomic<std::uint64_t> looks_{0};
  std::vector<std::thread> threads_;
};

/// Calls `change` until the time is over, and until readers have looked at all.
void write_while_read(Readers& readers, const std::function<void(std::mt19937&)>& change) {
  using Clock = std::chrono::steady_clock;
  const auto until = Clock::now() + std::chrono::milliseconds(1500);
  const auto latest = Clock::now() + std::chrono::seconds(20);
  std::mt19937 random(99);
  while (Clock::now() < until || (readers.looks() < 1000 && Clock::now() < latest)) change(random);
  readers.stop();
  REQUIRE(readers.looks() >= 1000);
  REQUIRE(readers.wrong() == 0);
}

constexpr std::uint32_t nets = 16;

/// Both families: net `i` always has a route of length `net`, to 1000 + i or 1100 + i; below it
/// routes to 2000 + i come and go, above it those to 7 and 8.
template <class Key>
struct Plan;

template <>
struct Plan<fib::Key4> {
  static constexpr unsigned net = 16;
  static constexpr unsigned width = 32;
  /// 10.i.x.y, of which `rest` is x and y.
  static fib::Key4 key(std::uint32_t i, std::uint32_t rest) {
    return {static_cast<std::uint64_t>(0x0a000000 | i << 16 | (rest & 0xffff)) << 32};
  }
  static fib::Key4 masked(fib::Key4 key, unsigned length) {
    return {length == 0 ? 0 : key.bits >> (64 - length) << (64 - length)};
  }
};

template <>
struct Plan<fib::Key6> {
  static constexpr unsigned net = 48;
  static constexpr unsigned width = 64;  // of the longest prefixes here
  static fib::Key6 key(std::uint32_t i, std::uint32_t rest) {
    return {0x20010db800000000 | static_cast<std::uint64_t>(i) << 16 | (rest & 0xffff), 1};
  }
  static fib::Key6 masked(fib::Key6 key, unsigned length) {
    return {length == 0 ? 0 : key.high >> (64 - length) << (64 - length), 0};
  }
};

template <class Key>
void churn() {
  using P = Plan<Key>;
  Rcu rcu(reader_count);
  fib::Arena arena(rcu, std::size_t{256} << 20);
  {
    fib::Fib<Key> fib(arena);
    for (std::uint32_t i = 0; i < nets; ++i) {
      REQUIRE(fib.insert(P::masked(P::key(i, 0), P::net), P::net, 1000 + i));
    }
    Readers readers(rcu, [&](std::mt19937& random) {
      const std::uint32_t i = random() % nets;
      const std::uint32_t found = fib.lookup(P::key(i, random()));
      return found == 1000 + i || found == 1100 + i || found == 2000 + i;
    });
    std::uint32_t crowded = 0;
    write_while_read(readers, [&](std::mt19937& random) {
      const std::uint32_t i = random() % nets;
      const unsigned length = P::net + 1 + random() % (P::width - P::net);
      const Key below = P::masked(P::key(i, random()), length);
      const unsigned above = random() % P::net;
      const Key cover = P::masked(P::key(i, 0), above);
      switch (random() % 8) {
        case 0:
          fib.insert(P::masked(P::key(i, 0), P::net), P::net, 1000 + random() % 2 * 100 + i);
          break;
        case 1:
          fib.insert(cover, above, 7 + random() % 2);
          break;
        case 2:
          fib.erase(cover, above);
          break;
        case 3: {  // so dense that nodes widen, then gone again
          const std::uint32_t net = crowded / 2 % nets;
          for (std::uint32_t x = 0; x < 256; ++x) {
            const Key key = P::masked(P::key(net, x << 8), P::net + 8);
            if (crowded % 2 == 0) {
              fib.insert(key, P::net + 8, 2000 + net);
            } else {
              fib.erase(key, P::net + 8);
            }
          }
          ++crowded;
          break;
        }
        case 4:
        case 5:
          fib.erase(below, length);
          break;
        default:
          fib.insert(below, length, 2000 + i);
      }
      rcu.reclaim();
    });
  }
  rcu.reclaim(~std::size_t{0});
  REQUIRE(arena.used_bytes() == 0);
}

/// A tunnel all of whose fields tell of `n`, below 256.
nexthop::Tunnel marked_tunnel(std::uint32_t n, bool v4) {
  const std::string last = std::to_string(n);
  nexthop::Tunnel t = tunnel_to("192.0.2." + last, n << 8 | n, AdjacencyId(0));
  if (!v4) {
    t.profile.local = ip("2001:db8::1");
    t.profile.remote = ip("2001:db8::2:" + last);
  }
  t.profile.source_ports = {static_cast<std::uint16_t>(n + 1), static_cast<std::uint16_t>(n + 1)};
  t.profile.ttl = static_cast<std::uint8_t>(n);
  return t;
}

/// Whether the object is one marked_tunnel() through and through.
bool whole(const NexthopEntry& entry) {
  const std::span<const std::uint8_t> header(entry.header() + entry.copy_bytes - entry.header_bytes,
                                             entry.header_bytes);
  const std::uint32_t n = header[entry.outer_v4 ? 8 : 7];
  const std::size_t vni = entry.udp_offset + 8U + 4U;
  bool right = entry.header_bytes == (entry.outer_v4 ? 50 : 70) && header[vni] == 0 &&
               header[vni + 1] == n && header[vni + 2] == n &&
               entry.source_ports.choose(0) == n + 1 && entry.source_ports.choose(~0U) == n + 1 &&
               entry.adjacency == AdjacencyId(0);
  if (entry.outer_v4) {
    right = right && header[19] == n &&
            test::naive_sum(header.first(20)) ==
                __builtin_bswap16(static_cast<std::uint16_t>(entry.ip_checksum_sum));
  }
  return right;
}

}  // namespace

TEST_CASE("IPv4 routes that stay are found while others come and go", "[tsan]") {
  churn<fib::Key4>();
}

TEST_CASE("IPv6 routes that stay are found while others come and go", "[tsan]") {
  churn<fib::Key6>();
}

// The shape of the trie changes with every step: paths are split, and a node that is crowded takes
// its children in.
TEST_CASE("what a change of shape takes out of the FIB is freed after it is out of reach",
          "[tsan]") {
  Rcu rcu(reader_count);
  fib::Arena arena(rcu, std::size_t{128} << 20);
  {
    fib::Fib4 fib(arena);
    constexpr std::uint32_t most_nets = 20000;  // wide nodes stay
    std::atomic<std::uint32_t> net{0};
    const auto key = [](std::uint32_t address) { return fib::key_of(Ipv4Address{address}); };
    REQUIRE(fib.insert(key(0), 0, 1));
    Readers readers(rcu, [&](std::mt19937& random) {
      const std::uint32_t part = random() % 16 << 12 | 0x100 << random() % 2;
      const std::uint32_t found = fib.lookup(key(net.load(std::memory_order_relaxed) << 16 | part));
      return found == 1 || found == 2;
    });
    write_while_read(readers, [&](std::mt19937&) {
      const std::uint32_t at = net.load() << 16;
      for (std::uint32_t i = 0; i < 16; ++i) {
        fib.insert(key(at | i << 12 | 0x100), 24, 2);
        fib.insert(key(at | i << 12 | 0x200), 24, 2);
        rcu.reclaim();
      }
      for (std::uint32_t i = 0; i < 16; ++i) {
        fib.erase(key(at | i << 12 | 0x100), 24);
        fib.erase(key(at | i << 12 | 0x200), 24);
      }
      rcu.reclaim();
      net.store((net.load() + 1) % most_nets);
    });
  }
  rcu.reclaim(~std::size_t{0});
  REQUIRE(arena.used_bytes() == 0);
}

TEST_CASE("a next hop replaced under its id is seen whole", "[tsan]") {
  Rcu rcu(reader_count);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(test::small_world()));
  Batch batch;
  batch.nexthops = {{NexthopId(2), marked_tunnel(1, true)}};
  REQUIRE(state.apply(batch));
  const Tables& tables = state.tables();
  Readers readers(rcu, [&](std::mt19937&) {
    const NexthopEntry* entry = tables.nexthops.get(NexthopId(2));
    return entry != nullptr && entry->id == NexthopId(2) && whole(*entry);
  });
  write_while_read(readers, [&](std::mt19937& random) {
    batch.nexthops = {{NexthopId(2), marked_tunnel(1 + random() % 250, random() % 2 == 0)}};
    if (!state.apply(batch)) throw std::logic_error("refused");
  });
}

TEST_CASE("decaps that stay are found while others come and go", "[tsan]") {
  constexpr std::uint32_t staying = 32;
  Rcu rcu(reader_count);
  DecapTable table(rcu);
  const auto make = [](std::uint32_t vni) {
    return new DecapEntry(DecapId(vni), test::decap_of(vni, NexthopId(vni)));
  };
  std::vector<const DecapEntry*> entries(4000, nullptr);
  for (std::uint32_t vni = 0; vni < staying; ++vni) table.insert(entries[vni] = make(vni));
  const IpAddress local = ip("192.0.2.1");
  const std::uint32_t source = ip("192.0.2.9").v4().value;
  {
    Readers readers(rcu, [&](std::mt19937& random) {
      const std::uint32_t vni = random() % 2 == 0
                                    ? random() % staying
                                    : random() % static_cast<std::uint32_t>(entries.size());
      const DecapEntry* entry = table.find(TunnelKind::vxlan, 4789, vni, local);
      if (entry == nullptr) return vni >= staying;
      return entry->decap.vni == vni && entry->decap.nexthop == NexthopId(vni) &&
             entry->accepts(source);
    });
    write_while_read(readers, [&](std::mt19937& random) {
      const std::uint32_t vni = random() % entries.size();
      const DecapEntry* old = entries[vni];
      if (old == nullptr) {
        table.insert(entries[vni] = make(vni));
      } else if (vni < staying || random() % 2 == 0) {
        table.replace(old, entries[vni] = make(vni));
        rcu.retire(old);
      } else {
        table.erase(old);
        entries[vni] = nullptr;
        rcu.retire(old);
      }
      rcu.reclaim();
    });
  }
  for (const DecapEntry* entry : entries) delete entry;
}

// Whichever stands first in the batch, the new route is put before the old one goes.
TEST_CASE("a batch that swaps a route for its cover leaves no gap", "[tsan]") {
  Rcu rcu(reader_count);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(test::small_world()));
  const VrfId vrf(0);
  const Route longer{vrf, prefix("10.1.2.0/24"), NexthopId(1)};
  const Route cover{vrf, prefix("10.0.0.0/8"), NexthopId(2)};
  const auto swap = [&](Route from, const Route& to) {
    from.nexthop = {};
    Batch batch;
    batch.routes = {from, to};
    if (!state.apply(batch)) throw std::logic_error("refused");
  };
  swap(cover, longer);
  Readers readers(rcu, [&](std::mt19937&) {
    const std::uint32_t found = test::lookup(state.tables(), vrf, "10.1.2.3");
    return found == 1 || found == 2;
  });
  write_while_read(readers, [&](std::mt19937&) {
    swap(longer, cover);
    swap(cover, longer);
  });
}

TEST_CASE("batches appear in the order in which their objects depend", "[tsan]") {
  Rcu rcu(reader_count);
  ForwardingState state(rcu, {});
  REQUIRE(state.apply(test::small_world()));
  const Tables& tables = state.tables();
  std::uint32_t local;
  std::memcpy(&local, ip("192.0.2.1").bytes().data(), sizeof local);
  constexpr std::uint32_t tenants = 8;
  // A tenant's round is even while it stands or is being put, odd while it is taken away.
  std::array<std::atomic<std::uint64_t>, tenants> round{};
  for (auto& r : round) r = 1;

  const auto look_at_tenant = [&](std::uint32_t i) {
    const std::uint64_t before = round[i].load();
    const std::uint32_t index = 100 + i;
    const VrfEntry* vrf = tables.vrfs.get(index);
    if (vrf == nullptr) return true;
    const std::uint32_t found = vrf->fib4->lookup(fib::key_of(Ipv4Address{0x0a000001}));
    if (found == fib::no_route) return true;
    const NexthopEntry* nexthop = tables.nexthops.get(found);
    const AdjacencyEntry* adjacency =
        nexthop != nullptr ? tables.adjacencies.get(nexthop->adjacency) : nullptr;
    if (nexthop == nullptr || adjacency == nullptr) {
      return before % 2 == 1 || round[i].load() != before;
    }
    return found == index && nexthop->kind == NexthopKind::interface &&
           adjacency->mtu_bytes == index && tables.ports.get(adjacency->port) != nullptr;
  };
  const auto look_at_what_stays = [&] {
    const VrfEntry* vrf = tables.vrfs.get(VrfId(1));
    const std::uint32_t found = vrf->fib6->lookup(fib::key_of(ip("fd00:1::12").v6()));
    const NexthopEntry* nexthop = tables.nexthops.get(found);
    if (nexthop == nullptr || tables.adjacencies.get(nexthop->adjacency) == nullptr) return false;
    const DecapEntry* decap = tables.decaps.find(TunnelKind::vxlan, 4789, 100, ip("192.0.2.1"));
    return tables.local_addresses.load()->contains(local) && decap != nullptr &&
           tables.nexthops.get(decap->decap.nexthop) != nullptr &&
           tables.udp_kinds[__builtin_bswap16(4789)].load() == TunnelKind::vxlan &&
           vrf->router_mac().bytes[0] == vrf->router_mac().bytes[5];
  };
  Batch first;
  first.vrfs = {{VrfId(1), Vrf{}}};
  REQUIRE(state.apply(first));
  Readers readers(rcu, [&](std::mt19937& random) {
    return random() % 2 == 0 ? look_at_what_stays() : look_at_tenant(random() % tenants);
  });
  write_while_read(readers, [&](std::mt19937& random) {
    const std::uint32_t i = random() % tenants;
    const std::uint32_t index = 100 + i;
    Adjacency adjacency = test::adjacency_on(PortId(0), "192.0.2.9", MacAddress{});
    adjacency.mtu_bytes = static_cast<std::uint16_t>(index);
    Batch batch;
    batch.vrfs = {{VrfId(index), Vrf{}}};
    batch.adjacencies = {{AdjacencyId(index), adjacency}};
    batch.nexthops = {{NexthopId(index), nexthop::Interface{AdjacencyId(index)}}};
    batch.routes = {{VrfId(index), prefix("10.0.0.0/8"), NexthopId(index)}};
    if (round[i].load() % 2 == 0) {
      round[i].fetch_add(1);
      batch.vrfs[0].object.reset();
      batch.adjacencies[0].object.reset();
      batch.nexthops[0].object.reset();
      batch.routes.clear();
    } else {
      round[i].fetch_add(1);
    }
    // And what stays, replaced by its like.
    const auto mark = static_cast<std::uint8_t>(random());
    batch.vrfs.push_back({VrfId(1), Vrf{{{mark, 0, 0, 0, 0, mark}}}});
    batch.nexthops.push_back({NexthopId(2), marked_tunnel(mark, true)});
    batch.nexthops.push_back({NexthopId(3), nexthop::Lookup{VrfId(1)}});
    batch.decaps = {{DecapId(1), test::decap_of(100, NexthopId(3))}};
    batch.adjacencies.push_back(
        {AdjacencyId(0), test::adjacency_on(PortId(0), "192.0.2.2", MacAddress{})});
    batch.local_addresses = LocalAddresses{{ip("192.0.2.1")}};
    if (!state.apply(batch)) throw std::logic_error("refused");
  });
}

}  // namespace weft::concurrency_test
