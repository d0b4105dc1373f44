// A table of routes against a naive model, under random announcements, withdrawals, lost sessions
// and sweeps. The seed is printed; WEFT_SEED repeats a run.
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include "support/routes.hpp"
#include "support/seed.hpp"
#include "vpn/table.hpp"

namespace weft::vpn {
namespace {

struct NaivePath {
  Teller teller;
  Attributes attributes;
  unsigned age = 0;  ///< when its attributes came; the greater is the newer
  bool stale = false;
  Use use = Use::here;
};
using NaiveRoute = std::vector<NaivePath>;
using Best = std::optional<Attributes>;

bool better(const Attributes& a, const Attributes& b) {
  if (a.local_preference != b.local_preference) return a.local_preference > b.local_preference;
  if (a.sticky() != b.sticky()) return a.sticky();
  if (a.sequence() != b.sequence()) return a.sequence() > b.sequence();
  return a.med < b.med;
}

bool supersedes(const NaivePath& a, const NaivePath& b) {
  if (a.teller.published_in != b.teller.published_in) return false;
  if (a.attributes.origin != b.attributes.origin) return false;
  if (a.attributes.sequence() != b.attributes.sequence()) {
    return a.attributes.sequence() > b.attributes.sequence();
  }
  return a.age > b.age;
}

IpAddress lowest(const Attributes& a) {
  IpAddress least = a.next_hops.front().address;
  for (const auto& hop : a.next_hops) least = std::min(least, hop.address);
  return least;
}

Best naive_best(const NaiveRoute& route) {
  std::vector<const NaivePath*> winners;
  for (const auto& path : route) {
    if (path.use != Use::here) continue;
    bool loses = false;
    for (const auto& other : route) {
      if (other.use == Use::here) loses = loses || supersedes(other, path);
    }
    if (!loses) winners.push_back(&path);
  }
  for (bool again = true; again;) {
    again = false;
    for (auto a : winners) {
      again = again || std::erase_if(winners, [&](const NaivePath* b) {
                         return better(a->attributes, b->attributes);
                       }) != 0;
      if (again) break;
    }
  }
  if (winners.empty()) return std::nullopt;
  const Attributes* least = &winners.front()->attributes;
  const Attributes* first_place = least;
  bool mobile = false;
  bool one_origin = true;
  bool all_equal = true;
  std::map<IpAddress, unsigned> newest;
  for (const auto* path : winners) {
    const Attributes& a = path->attributes;
    mobile = mobile || a.mobility;
    all_equal = all_equal && a == winners.front()->attributes;
    one_origin = one_origin && a.origin == winners.front()->attributes.origin;
    if (a < *least) least = &a;
    if (std::pair(lowest(a), a) < std::pair(lowest(*first_place), *first_place)) first_place = &a;
    for (const auto& hop : a.next_hops) {
      newest[hop.address] = std::max(newest[hop.address], path->age);
    }
  }
  if (all_equal) return winners.front()->attributes;
  if (mobile) return *first_place;
  Attributes joined = *least;
  std::set<NextHop> hops;
  for (const auto* path : winners) {
    for (const auto& hop : path->attributes.next_hops) {
      if (newest[hop.address] == path->age) hops.insert(hop);
    }
  }
  joined.next_hops.assign(hops.begin(), hops.end());
  if (!one_origin) joined.origin = {};
  return joined;
}

struct Fixture {
  explicit Fixture(std::mt19937_64& engine) : random(engine) {
    for (unsigned i = 0; i < 4; ++i) source_ids.push_back(sources.add(std::to_string(i)));
  }

  unsigned pick(unsigned count) { return static_cast<unsigned>(random() % count); }

  Nlri nlri() {
    const unsigned which = pick(6);
    return test::route(which % 2 == 0 ? "10.1.0.1/32" : "10.1.0.0/24",
                       std::array{"1:1", "1:2", "1:3"}[which / 2]);
  }
  Attributes attributes() {
    Attributes a;
    for (unsigned hops = 1 + pick(2); hops > 0; --hops) {
      a.next_hops.push_back(
          test::next_hop(std::array{"192.0.2.1", "192.0.2.2", "192.0.2.3"}[pick(3)], 16 + pick(2)));
    }
    a.origin = std::array{"", "x", "y"}[pick(3)];
    a.local_preference = 100 + pick(4) / 3;
    a.med = pick(4) / 3;
    if (pick(4) == 0) a.mobility = Mobility{pick(3), pick(4) == 0};
    return a;
  }
  Teller teller() { return {source_ids[pick(4)], pick(3) == 0 ? NetworkId(1) : NetworkId()}; }
  NaivePath* find(const Nlri& of, Teller who) {
    for (auto& path : model[of]) {
      if (path.teller == who) return &path;
    }
    return nullptr;
  }

  void announce(const Nlri& of, Teller who, const Attributes& what, Use use) {
    NaivePath* path = find(of, who);
    if (path == nullptr) path = &model[of].emplace_back(NaivePath{who, what, ++clock});
    if (path->attributes != what) path->age = ++clock;
    path->attributes = what;
    path->stale = false;
    path->use = use;
    check(of, table.announce(of, who, pool.intern(what), use));
  }
  /// After one change: the table knows the same best, and says truly whether it changed.
  void check(const Nlri& of, bool said) {
    const Best before = known[of];
    known[of] = naive_best(model[of]);
    CHECK(said == (before != known[of]));
    const auto* const route = table.find(of);
    REQUIRE((route != nullptr) == !model[of].empty());
    const Best best = route == nullptr || !route->best ? Best() : Best(*route->best);
    REQUIRE(best == known[of]);
  }
  void step() {
    const Nlri of = nlri();
    const Teller who = teller();
    switch (pick(8)) {
      case 0:
      case 1:
      case 2:
        return announce(of, who, attributes(), pick(8) == 0 ? Use::damped : Use::here);
      case 3:
        // The same once more.
        if (const auto* path = find(of, who))
          announce(of, who, Attributes(path->attributes), path->use);
        return;
      case 4:
        std::erase_if(model[of], [&](const NaivePath& path) { return path.teller == who; });
        return check(of, table.withdraw(of, who));
      case 5: {
        const SourceId lost = who.source;
        sources.mark_stale(lost);
        for (auto& [key, route] : model) {
          for (auto& path : route) path.stale = path.stale || path.teller.source == lost;
        }
        return;
      }
      case 6:
        return sweep(who.source);
      default:
        if (NaivePath* path = find(of, who)) {
          path->use = pick(2) == 0 ? Use::elsewhere : Use::here;
          check(of, table.set_use(of, who, path->use));
        }
    }
  }
  void sweep(SourceId source) {
    const bool one = pick(2) == 0;
    const auto rd = test::rd("1:1");
    std::size_t gone = 0;
    for (auto& [key, route] : model) {
      if (one && key.rd() != rd) continue;
      gone += std::erase_if(
          route, [&](const NaivePath& path) { return path.teller.source == source && path.stale; });
    }
    CHECK(table.sweep(source, one ? std::optional(rd) : std::nullopt) == gone);
    for (auto& [key, route] : model) {
      known[key] = naive_best(route);
      check(key, false);
    }
  }

  std::mt19937_64& random;
  Sources sources;
  AttributePool pool;
  Table table{sources, pool};
  std::vector<SourceId> source_ids;
  std::map<Nlri, NaiveRoute> model;
  std::map<Nlri, Best> known;
  unsigned clock = 0;
};

/// A reader, and what it believes.
struct Replica {
  Table::ReaderId id;
  std::map<Nlri, Attributes> routes{};

  void read(Table& table, std::size_t most) {
    table.read(id, most, [&](const Nlri& nlri, const AttributesRef& best) {
      routes.erase(nlri);
      if (best) routes.emplace(nlri, *best);
    });
  }
};

}  // namespace

TEST_CASE("vpn table: as the naive one, and readers learn all of it at any pace", "[vpn]") {
  auto random = test::random_engine(61);
  for (unsigned round = 0; round < 40; ++round) {
    Fixture f(random);
    std::vector<Replica> replicas;
    for (unsigned step = 0; step < 300; ++step) {
      f.step();
      if (f.pick(20) == 0) replicas.push_back({f.table.add_reader()});
      for (auto& replica : replicas) {
        if (f.pick(6) == 0) replica.read(f.table, f.pick(4));
      }
      if (!replicas.empty() && f.pick(40) == 0) {
        f.table.remove_reader(replicas.back().id);
        replicas.pop_back();
      }
    }
    std::map<Nlri, Attributes> truth;
    for (const auto& [nlri, best] : f.known) {
      if (best) truth.emplace(nlri, *best);
    }
    for (auto& replica : replicas) {
      replica.read(f.table, 1000);
      CHECK(replica.routes == truth);
      CHECK(f.table.position(replica.id) == Table::at_end);
    }
    CHECK(f.table.withdrawn() == 0);
    CHECK(f.table.size() == truth.size());
    std::map<SourceId, std::pair<std::size_t, std::size_t>> counts;
    for (const auto& [nlri, route] : f.model) {
      for (const auto& path : route) {
        ++counts[path.teller.source].first;
        if (path.stale) ++counts[path.teller.source].second;
      }
    }
    for (const SourceId source : f.source_ids) {
      CHECK(f.sources.find(source)->paths == counts[source].first);
      CHECK(f.sources.find(source)->stale() == counts[source].second);
    }
  }
}

TEST_CASE("vpn table: a session that flaps changes nothing", "[vpn]") {
  auto random = test::random_engine(62);
  for (unsigned round = 0; round < 40; ++round) {
    Fixture f(random);
    for (unsigned step = 0; step < 100; ++step) f.step();
    Replica replica{f.table.add_reader()};
    replica.read(f.table, 1000);
    const SourceId flapping = f.source_ids[f.pick(4)];
    f.sources.mark_stale(flapping);
    std::vector<std::pair<Nlri, NaivePath>> told;
    for (const auto& [nlri, route] : f.model) {
      for (const auto& path : route) {
        if (path.teller.source == flapping) told.emplace_back(nlri, path);
      }
    }
    std::ranges::shuffle(told, random);
    for (const auto& [nlri, path] : told) f.announce(nlri, path.teller, path.attributes, path.use);
    CHECK(f.table.sweep(flapping) == 0);
    CHECK(f.table.position(replica.id) == Table::at_end);
  }
}

}  // namespace weft::vpn
