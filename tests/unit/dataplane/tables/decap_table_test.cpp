// The decapsulation table against a model that is a std::map.
#include "tables/decap_table.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <tuple>

#include "support/seed.hpp"
#include "support/words.hpp"

namespace weft::decap_table_test {
namespace {

using test::ip;

struct Key {
  std::uint16_t port;
  std::uint32_t vni;
  IpAddress local;
  friend auto operator<=>(const Key&, const Key&) = default;
};

/// A table, what it should hold, and the entries.
class Bench {
 public:
  Bench() { rcu_.register_reader(0); }  // never online: whatever is retired may go at once

  void insert(const Key& key) {
    auto entry = make(key);
    table_.insert(entry.get());
    model_[key] = std::move(entry);
  }
  void replace(const Key& key) {
    auto entry = make(key);
    auto& place = model_.at(key);
    table_.replace(place.get(), entry.get());
    place = std::move(entry);
  }
  void erase(const Key& key) {
    const auto at = model_.find(key);
    table_.erase(at->second.get());
    model_.erase(at);
    rcu_.reclaim();
  }
  [[nodiscard]] bool holds(const Key& key) const { return model_.contains(key); }
  [[nodiscard]] bool agrees(const Key& key) const {
    const auto at = model_.find(key);
    return table_.find(TunnelKind::vxlan, key.port, key.vni, key.local) ==
           (at == model_.end() ? nullptr : at->second.get());
  }
  [[nodiscard]] bool agrees() const {
    return std::all_of(model_.begin(), model_.end(),
                       [this](const auto& held) { return agrees(held.first); });
  }
  [[nodiscard]] const auto& model() const { return model_; }
  [[nodiscard]] const DecapTable& table() const { return table_; }

 private:
  std::unique_ptr<const DecapEntry> make(const Key& key) {
    Decap decap;
    decap.local = key.local;
    decap.destination_port = key.port;
    decap.vni = key.vni;
    return std::make_unique<const DecapEntry>(DecapId(++made_), decap);
  }

  Rcu rcu_{1};
  DecapTable table_{rcu_};
  std::map<Key, std::unique_ptr<const DecapEntry>> model_;
  std::uint32_t made_ = 0;
};

}  // namespace

TEST_CASE("an empty decap table finds nothing", "[decap_table]") {
  const Bench bench;
  REQUIRE(bench.agrees({4789, 0, ip("0.0.0.0")}));
  REQUIRE(bench.agrees({4789, 100, ip("192.0.2.1")}));
}

TEST_CASE("each part of a decap's key counts", "[decap_table]") {
  Bench bench;
  const Key key{4789, 100, ip("192.0.2.1")};
  bench.insert(key);
  REQUIRE(bench.agrees(key));
  REQUIRE(bench.agrees({4790, 100, ip("192.0.2.1")}));
  REQUIRE(bench.agrees({4789, 101, ip("192.0.2.1")}));
  REQUIRE(bench.agrees({4789, 100, ip("192.0.2.2")}));
  // The same leading bytes, the other family.
  REQUIRE(bench.agrees({4789, 100, ip("c000:201::")}));
  REQUIRE(bench.table().find(TunnelKind::none, 4789, 100, ip("192.0.2.1")) == nullptr);
}

TEST_CASE("random changes of a decap table agree with the model", "[decap_table]") {
  for (const unsigned vnis : {3U, 50U, 5000U}) {
    auto random = test::random_engine(vnis);
    const IpAddress locals[] = {ip("192.0.2.1"), ip("192.0.2.2"), ip("2001:db8::1"),
                                ip("2001:db8::2")};
    const std::uint16_t ports[] = {4789, 8472};
    const auto random_key = [&] {
      return Key{ports[random() % 2],
                 static_cast<std::uint32_t>(random() % vnis) * 65537 & 0xffffff,
                 locals[random() % 4]};
    };
    Bench bench;
    for (unsigned n = 0; n < 6000; ++n) {
      const Key key = random_key();
      if (!bench.holds(key)) {
        bench.insert(key);
      } else if (random() % 3 == 0) {
        bench.replace(key);
      } else {
        bench.erase(key);
      }
      REQUIRE(bench.agrees(key));
      REQUIRE(bench.agrees(random_key()));
      if (n % 500 == 0) REQUIRE(bench.agrees());
    }
    REQUIRE(bench.agrees());
    while (!bench.model().empty()) bench.erase(Key(bench.model().begin()->first));
    for (unsigned i = 0; i < 100; ++i) REQUIRE(bench.agrees(random_key()));
  }
}

// The local address is no part of the hash, so these all start at one slot.
TEST_CASE("keys of one hash are kept apart", "[decap_table]") {
  Bench bench;
  const auto key = [](std::uint32_t i) {
    return Key{4789, 7, IpAddress(Ipv4Address{0x0a000000 + i})};
  };
  for (std::uint32_t i = 0; i < 300; ++i) bench.insert(key(i));
  REQUIRE(bench.agrees());
  for (std::uint32_t i = 0; i < 300; i += 2) bench.erase(key(i));
  for (std::uint32_t i = 0; i < 300; ++i) REQUIRE(bench.agrees(key(i)));
  for (std::uint32_t i = 0; i < 300; i += 2) bench.insert(key(i));
  REQUIRE(bench.agrees());
}

TEST_CASE("one key that comes and goes does not fill the table", "[decap_table]") {
  Bench bench;
  bench.insert({4789, 1, ip("192.0.2.1")});
  for (std::uint32_t i = 0; i < 10000; ++i) {
    const Key key{4789, 2 + i % 1000, ip("192.0.2.1")};
    bench.insert(key);
    if (!bench.agrees(key)) FAIL("round " << i);
    bench.erase(key);
    if (!bench.agrees(key)) FAIL("round " << i);
  }
  REQUIRE(bench.agrees());
}

TEST_CASE("a large decap table", "[decap_table]") {
  Bench bench;
  for (std::uint32_t vni = 0; vni < 50000; ++vni) bench.insert({4789, vni, ip("192.0.2.1")});
  REQUIRE(bench.agrees());
  REQUIRE(bench.agrees({4789, 50000, ip("192.0.2.1")}));
}

}  // namespace weft::decap_table_test
