// Networks that leak by route targets, and what subscribers of any pace know, against a naive
// model.
#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <set>

#include "support/routes.hpp"
#include "support/seed.hpp"
#include "vpn/vpn_tables.hpp"

namespace weft::vpn {
namespace {

constexpr std::array names{"n0", "n1", "n2", "n3", "n4"};
constexpr std::array prefixes{"10.1.0.1/32", "10.1.0.2/32", "10.2.0.0/16", "2001:db8::/64"};
constexpr std::array targets{"1:1", "1:2", "1:3", "1:4"};
constexpr std::size_t most_withdrawn = 2;

/// What a node has published: by source, network and prefix.
struct Published {
  std::string address;
  bool stale = false;
};
using Key = std::tuple<std::size_t, std::size_t, std::size_t>;

struct Subscriber {
  SubscriberId id;
  std::map<std::pair<NetworkId, Nlri>, Attributes> knows{};
  std::set<std::size_t> subscribed{};
};

class Fixture {
 public:
  explicit Fixture(std::mt19937_64& engine) : random_(engine) {
    for (const char* name : {"a", "b", "c"}) sources_.push_back(tables_.add_source(name));
    for (std::size_t i = 0; i < names.size(); ++i) configure(i);
    for (unsigned i = 0; i < 4; ++i) subscribers_.push_back({tables_.add_subscriber()});
  }

  void step() {
    const std::size_t network = pick(names.size());
    const std::size_t source = pick(sources_.size());
    const std::size_t prefix = pick(prefixes.size());
    switch (pick(12)) {
      case 0:
        configure(network);
        break;
      case 1:
        if (pick(4) == 0) remove(network);
        break;
      case 2:
        tables_.mark_stale(sources_[source]);
        for (auto& [key, published] : published_) {
          if (std::get<0>(key) == source) published.stale = true;
        }
        break;
      case 3:
        // Whoever told, whether it is stale is judged when its turn comes.
        settle();
        tables_.sweep(sources_[source]);
        settle();
        std::erase_if(published_, [&](const auto& entry) {
          return std::get<0>(entry.first) == source && entry.second.stale;
        });
        break;
      case 4:
      case 5:
        tables_.withdraw(sources_[source], ids_[network], test::route(prefixes[prefix]));
        published_.erase({source, network, prefix});
        break;
      case 6: {
        auto& subscriber = subscribers_[pick(subscribers_.size())];
        if (!subscriber.subscribed.insert(network).second) break;
        tables_.subscribe(subscriber.id, ids_[network]);
        break;
      }
      case 7: {
        auto& subscriber = subscribers_[pick(subscribers_.size())];
        tables_.set_ready(subscriber.id, pick(2) == 0);
        break;
      }
      default: {
        const std::string address = "192.0.2." + std::to_string(1 + pick(3));
        tables_.announce(sources_[source], ids_[network], test::route(prefixes[prefix]),
                         test::via(address.c_str()), {});
        published_[{source, network, prefix}] = {address, false};
      }
    }
    if (pick(3) == 0) tables_.work(1 + pick(4));
    deliver(pick(4));
    start_anew();
  }

  void check() {
    settle();
    for (auto& subscriber : subscribers_) tables_.set_ready(subscriber.id, true);
    deliver(100000);
    start_anew();
    deliver(100000);
    for (std::size_t to = 0; to < names.size(); ++to) check(to);
    std::size_t held = 0;
    for (const SourceId source : sources_) held += tables_.sources().find(source)->paths;
    std::size_t expected = 0;
    for (const auto& [key, published] : published_) {
      std::size_t places = sees(std::get<1>(key), std::get<1>(key)) ? 0 : 1;
      for (std::size_t to = 0; to < names.size(); ++to)
        places += sees(to, std::get<1>(key)) ? 1 : 0;
      expected += places;
    }
    CHECK(held == expected);
  }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }
  bool sees(std::size_t to, std::size_t from) const {
    for (const std::size_t target : exports_[from]) {
      if (imports_[to].contains(target)) return true;
    }
    return false;
  }
  void configure(std::size_t network) {
    NetworkConfig config{
        names[network], test::rd(("7:" + std::to_string(network)).c_str()), {}, {}};
    imports_[network].clear();
    exports_[network].clear();
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (pick(3) == 0) {
        imports_[network].insert(i);
        config.import_targets.push_back(test::target(targets[i]));
      }
      if (pick(3) == 0) {
        exports_[network].insert(i);
        config.export_targets.push_back(test::target(targets[i]));
      }
    }
    ids_[network] = tables_.set_network(config).value();
  }
  void remove(std::size_t network) {
    tables_.remove_network(ids_[network]);
    std::erase_if(published_,
                  [&](const auto& entry) { return std::get<1>(entry.first) == network; });
    for (auto& subscriber : subscribers_) {
      subscriber.subscribed.erase(network);
      tables_.unsubscribe(subscriber.id, ids_[network]);
      std::erase_if(subscriber.knows,
                    [&](const auto& entry) { return entry.first.first == ids_[network]; });
    }
    configure(network);
  }
  void settle() {
    while (tables_.work(1 + pick(8))) {
    }
  }
  void deliver(std::size_t times) {
    Delivery delivery;
    for (; times > 0 && tables_.next(delivery, 1 + pick(3)); --times) {
      for (const SubscriberId to : delivery.to) {
        const auto subscriber = std::ranges::find(subscribers_, to, &Subscriber::id);
        REQUIRE(subscriber != subscribers_.end());
        for (const auto& [nlri, attributes] : delivery.changes) {
          subscriber->knows.erase({delivery.network, nlri});
          if (attributes) subscriber->knows.emplace(std::pair(delivery.network, nlri), *attributes);
        }
      }
    }
  }
  /// Those that were given up come back empty.
  void start_anew() {
    for (const SubscriberId lost : tables_.take_overrun()) {
      auto& subscriber = *std::ranges::find(subscribers_, lost, &Subscriber::id);
      tables_.remove_subscriber(lost);
      subscriber.id = tables_.add_subscriber();
      subscriber.knows.clear();
      for (const std::size_t network : subscriber.subscribed) {
        tables_.subscribe(subscriber.id, ids_[network]);
      }
    }
  }
  void check(std::size_t to) {
    std::map<Nlri, Attributes> truth;
    for (std::size_t prefix = 0; prefix < prefixes.size(); ++prefix) {
      const Nlri nlri = test::route(prefixes[prefix], ("7:" + std::to_string(to)).c_str());
      std::set<std::string> addresses;
      std::set<std::pair<std::size_t, std::size_t>> tellers;
      for (const auto& [key, published] : published_) {
        const auto [source, from, which] = key;
        if (which != prefix || !sees(to, from)) continue;
        addresses.insert(published.address);
        tellers.emplace(source, from);
      }
      const auto* const route = tables_.table(ids_[to])->find(nlri);
      const bool seen = route != nullptr && route->best;
      REQUIRE(seen == !addresses.empty());
      if (!seen) continue;
      const auto got = test::addresses(*route->best);
      CHECK(std::set(got.begin(), got.end()) == addresses);
      CHECK(got.size() == addresses.size());
      std::size_t used = 0;
      for (const Path& path : route->paths) used += path.use == Use::here ? 1 : 0;
      CHECK(used == tellers.size());
      truth.emplace(nlri, *route->best);
    }
    for (const auto& subscriber : subscribers_) {
      std::map<Nlri, Attributes> knows;
      for (const auto& [key, attributes] : subscriber.knows) {
        if (key.first == ids_[to]) knows.emplace(key.second, attributes);
      }
      if (subscriber.subscribed.contains(to)) CHECK(knows == truth);
    }
  }

  std::mt19937_64& random_;
  VpnTables tables_{{}, most_withdrawn};
  std::vector<SourceId> sources_;
  std::array<NetworkId, names.size()> ids_;
  std::array<std::set<std::size_t>, names.size()> imports_;
  std::array<std::set<std::size_t>, names.size()> exports_;
  std::map<Key, Published> published_;
  std::vector<Subscriber> subscribers_;
};

}  // namespace

TEST_CASE("vpn networks: routes stand where targets say, and subscribers know them", "[vpn]") {
  auto random = test::random_engine(63);
  for (unsigned round = 0; round < 40; ++round) {
    Fixture f(random);
    for (unsigned i = 0; i < 6; ++i) {
      for (unsigned step = 0; step < 60; ++step) f.step();
      f.check();
    }
  }
}

TEST_CASE("vpn networks: who claims an address last has it", "[vpn]") {
  auto random = test::random_engine(64);
  for (unsigned round = 0; round < 100; ++round) {
    VpnTables tables({1000, std::chrono::seconds(1), std::chrono::seconds(1)});
    const auto network =
        tables.set_network({"n", test::rd("1:1"), {test::target("1:1")}, {test::target("1:1")}})
            .value();
    std::vector<SourceId> nodes;
    std::map<unsigned, std::uint32_t> sequences;
    for (unsigned i = 0; i < 4; ++i) nodes.push_back(tables.add_source(std::to_string(i)));
    for (unsigned step = 0; step < 40; ++step) {
      const unsigned node = static_cast<unsigned>(random() % 4);
      const auto nlri = test::route("10.1.0.1/32");
      if (random() % 4 == 0) {
        tables.withdraw(nodes[node], network, nlri);
        sequences.erase(node);
      } else {
        const auto told = static_cast<std::uint32_t>(random() % 8);
        std::uint32_t others = 0;
        bool rivals = false;
        for (const auto& [other, sequence] : sequences) {
          if (other == node) continue;
          rivals = true;
          others = std::max(others, sequence);
        }
        const auto own = sequences.find(node);
        if (own == sequences.end()) {
          sequences[node] = rivals && told <= others ? others + 1 : told;
        } else if (own->second <= others && told == others && told > own->second) {
          own->second = others + 1;
        } else {
          own->second = std::max(own->second, told);
        }
        const std::string address = "192.0.2." + std::to_string(9 - node);
        tables.announce(nodes[node], network, nlri, test::mobile(test::via(address.c_str()), told),
                        {});
      }
      const auto* const route = tables.table(network)->find(nlri);
      REQUIRE((route != nullptr) == !sequences.empty());
      if (route == nullptr) continue;
      // Highest sequence, then lowest address, which later nodes have.
      unsigned holder = 0;
      std::uint32_t highest = 0;
      for (const auto& [other, sequence] : sequences) {
        if (sequence >= highest) holder = other;
        highest = std::max(highest, sequence);
      }
      REQUIRE(route->best->origin == std::to_string(holder));
      REQUIRE(route->best->sequence() == highest);
    }
  }
}

}  // namespace weft::vpn
