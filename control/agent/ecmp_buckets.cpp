#include "agent/ecmp_buckets.hpp"

#include <algorithm>
#include <map>

namespace weft::agent {

template <class Identifier>
std::vector<Identifier> lay_over_buckets(
    std::vector<Identifier> buckets, std::type_identity_t<std::span<const Identifier>> members) {
  struct Share {
    Identifier member;
    std::size_t has = 0;
    std::size_t due = 0;
  };
  std::vector<Share> shares;
  std::map<Identifier, std::size_t> place;
  for (const Identifier member : members) {
    place.emplace(member, shares.size());
    shares.push_back({member});
  }
  const auto share_of = [&](Identifier member) -> Share* {
    const auto found = place.find(member);
    return found == place.end() ? nullptr : &shares[found->second];
  };
  for (const Identifier holder : buckets) {
    if (Share* share = share_of(holder)) ++share->has;
  }

  // What does not divide goes to those that have most, who would have to give it away otherwise.
  std::vector<Share*> by_size;
  for (Share& share : shares) by_size.push_back(&share);
  std::ranges::stable_sort(by_size, std::ranges::greater{}, [](const Share* s) { return s->has; });
  for (std::size_t i = 0; i < by_size.size(); ++i) {
    by_size[i]->due = buckets.size() / shares.size() + (i < buckets.size() % shares.size() ? 1 : 0);
  }

  for (Identifier& holder : buckets) {
    Share* share = share_of(holder);
    if (share != nullptr && share->has <= share->due) continue;
    if (share != nullptr) --share->has;
    holder = {};
  }
  std::size_t next = 0;
  for (Identifier& holder : buckets) {
    if (holder.valid()) continue;
    while (shares[next].has == shares[next].due) next = (next + 1) % shares.size();
    holder = shares[next].member;
    ++shares[next].has;
    next = (next + 1) % shares.size();
  }
  return buckets;
}

template std::vector<NexthopId> lay_over_buckets(std::vector<NexthopId>,
                                                 std::span<const NexthopId>);
template std::vector<AdjacencyId> lay_over_buckets(std::vector<AdjacencyId>,
                                                   std::span<const AdjacencyId>);

}  // namespace weft::agent
