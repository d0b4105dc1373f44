// Buckets of ecmp next hops under random changes of their members. The seed is printed; WEFT_SEED
// repeats a run.
#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <random>

#include "agent/ecmp_buckets.hpp"
#include "support/seed.hpp"

namespace weft::agent {
namespace {

using Buckets = std::vector<NexthopId>;

std::map<NexthopId, std::size_t> shares(const Buckets& buckets) {
  std::map<NexthopId, std::size_t> out;
  for (const NexthopId holder : buckets) ++out[holder];
  return out;
}

/// The buckets that any arrangement with even shares must move: all that nobody of `members` has,
/// and what members have beyond their share, where the larger shares go to those that have most.
std::size_t least_moves(const Buckets& before, const std::vector<NexthopId>& members) {
  const auto has = shares(before);
  std::vector<std::size_t> kept;
  for (const NexthopId member : members) {
    kept.push_back(has.contains(member) ? has.at(member) : 0);
  }
  std::ranges::sort(kept, std::greater{});
  std::size_t stay = 0;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const bool larger = i < before.size() % members.size();
    stay += std::min(kept[i], before.size() / members.size() + (larger ? 1 : 0));
  }
  return before.size() - stay;
}

std::size_t moves(const Buckets& before, const Buckets& after) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < before.size(); ++i) count += before[i] != after[i] ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("ecmp: shares stay even, and no more buckets move than must", "[ecmp]") {
  auto random = weft::test::random_engine(41);
  for (unsigned round = 0; round < 60; ++round) {
    Buckets buckets(std::size_t{1} << (6 + random() % 5));
    std::vector<NexthopId> members;
    for (unsigned step = 0; step < 40; ++step) {
      const unsigned changes = random() % 4 == 0 ? 1 + random() % 5 : 1;
      for (unsigned i = 0; i < changes; ++i) {
        const NexthopId id(static_cast<std::uint32_t>(random() % 100),
                           static_cast<std::uint8_t>(random() % 2));
        const auto found = std::ranges::find(members, id);
        if (found != members.end()) {
          members.erase(found);
        } else if (members.size() < ecmp_members_max) {
          members.insert(
              members.begin() + static_cast<std::ptrdiff_t>(random() % (members.size() + 1)), id);
        }
      }
      if (members.empty()) members.emplace_back(7);
      const Buckets before = buckets;
      buckets = lay_over_buckets(before, members);
      REQUIRE(buckets.size() == before.size());
      const auto now = shares(buckets);
      REQUIRE(now.size() == members.size());
      std::size_t least = buckets.size();
      std::size_t most = 0;
      for (const NexthopId member : members) {
        REQUIRE(now.contains(member));
        least = std::min(least, now.at(member));
        most = std::max(most, now.at(member));
      }
      REQUIRE(most - least <= 1);
      REQUIRE(moves(before, buckets) == least_moves(before, members));
    }
  }
}

TEST_CASE("ecmp: of one member that comes or goes only its own buckets move", "[ecmp]") {
  auto random = weft::test::random_engine(42);
  std::vector<NexthopId> members{NexthopId(0)};
  Buckets buckets = lay_over_buckets(Buckets(ecmp_bucket_count), members);
  for (std::uint32_t step = 1; step < 400; ++step) {
    const Buckets before = buckets;
    const bool comes = members.size() == 1 || (members.size() < ecmp_members_max && random() % 2);
    NexthopId who(step);
    if (comes) {
      members.push_back(who);
    } else {
      const auto at = members.begin() + static_cast<std::ptrdiff_t>(random() % members.size());
      who = *at;
      members.erase(at);
    }
    buckets = lay_over_buckets(before, members);
    for (std::size_t i = 0; i < buckets.size(); ++i) {
      if (buckets[i] == before[i]) continue;
      REQUIRE((comes ? buckets[i] : before[i]) == who);
    }
  }
}

}  // namespace weft::agent
