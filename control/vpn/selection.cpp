#include "vpn/selection.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>
#include <vector>

namespace weft::vpn {
namespace {

using Candidates = std::vector<const Path*>;

auto node_of(const Path* path) {
  return std::tie(path->teller.published_in, path->attributes->origin);
}

/// Of two voices of one node, whether the newer counts.
bool overrules(const Path& newer, const Path& older, const Sources& sources) {
  const std::uint32_t before = older.attributes->sequence();
  const std::uint32_t after = newer.attributes->sequence();
  if (before != after) return after > before;
  const Sources::Source& teller = *sources.find(older.teller.source);
  const bool itself = !teller.relayed && teller.epoch == older.epoch;
  return !itself || !sources.find(newer.teller.source)->relayed;
}

/// One of each node. `all` stand in the order of their age, and so do those that remain.
void keep_one_of_each_node(Candidates& all, const Sources& sources) {
  std::ranges::stable_sort(all, {}, node_of);
  Candidates kept;
  for (const Path* path : all) {
    if (kept.empty() || node_of(kept.back()) != node_of(path)) {
      kept.push_back(path);
    } else if (overrules(*path, *kept.back(), sources)) {
      kept.back() = path;
    }
  }
  std::ranges::sort(kept);
  all = std::move(kept);
}

auto preference(const Path* path) {
  const Attributes& a = *path->attributes;
  return std::tuple(a.local_preference, a.sticky(), a.sequence(), ~a.med);
}

void keep_best(Candidates& all) {
  const auto best = preference(*std::ranges::max_element(all, {}, preference));
  std::erase_if(all, [&](const Path* path) { return preference(path) != best; });
}

std::tuple<IpAddress, const Attributes&> lowest_next_hop(const Path* path) {
  const Attributes& a = *path->attributes;
  const auto lowest = std::ranges::min_element(a.next_hops, {}, &NextHop::address);
  return {lowest == a.next_hops.end() ? IpAddress() : lowest->address, a};
}

/// `all` stand in the order of their age.
Attributes join(const Candidates& all) {
  std::vector<NextHop> hops;
  std::set<IpAddress> told;
  for (auto at = all.rbegin(); at != all.rend(); ++at) {
    const auto& of_path = (*at)->attributes->next_hops;
    std::ranges::copy_if(of_path, std::back_inserter(hops),
                         [&](const NextHop& hop) { return !told.contains(hop.address); });
    for (const NextHop& hop : of_path) told.insert(hop.address);
  }
  std::ranges::sort(hops);
  hops.erase(std::unique(hops.begin(), hops.end()), hops.end());
  if (hops.size() > most_next_hops) hops.resize(most_next_hops);
  Attributes joined =
      *(*std::ranges::min_element(all, {}, [](const Path* path) -> const Attributes& {
         return *path->attributes;
       }))->attributes;
  joined.next_hops = std::move(hops);
  if (std::ranges::any_of(
          all, [&](const Path* path) { return path->attributes->origin != joined.origin; })) {
    joined.origin = {};
  }
  return joined;
}

}  // namespace

AttributesRef select_best(std::span<const Path> paths, const Sources& sources,
                          AttributePool& pool) {
  if (paths.size() == 1 && paths[0].use == Use::here) return paths[0].attributes;
  Candidates all;
  for (const Path& path : paths) {
    if (path.use == Use::here) all.push_back(&path);
  }
  if (all.empty()) return {};
  if (all.size() > 1) {
    keep_one_of_each_node(all, sources);
    keep_best(all);
  }
  const AttributesRef& first = all.front()->attributes;
  if (std::ranges::all_of(all, [&](const Path* path) { return path->attributes == first; })) {
    return first;
  }
  if (std::ranges::any_of(
          all, [](const Path* path) { return path->attributes->mobility.has_value(); })) {
    return (*std::ranges::min_element(all, {}, lowest_next_hop))->attributes;
  }
  return pool.intern(join(all));
}

}  // namespace weft::vpn
