#include "controller/path.hpp"

#include <algorithm>
#include <queue>

namespace weft::controller {

Result<UnderlayPath> find_path(const Model& model, const std::string& from, const std::string& to) {
  struct Reached {
    std::uint32_t cost = 0;
    const Link* by = nullptr;
    std::string before;
  };
  using Candidate = std::pair<std::uint32_t, std::string>;
  std::map<std::string, Reached> reached{{from, {}}};
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> next;
  next.emplace(0, from);
  while (!next.empty()) {
    const auto [cost, name] = next.top();
    next.pop();
    if (name == to) break;
    if (cost > reached.at(name).cost) continue;
    // Names of nodes and devices are apart, and a link's end is known under both kinds.
    for (const auto& key : model.referrers({Kind::node, name})) {
      const auto* link = std::get_if<Link>(model.find(key));
      if (link == nullptr) continue;
      const auto& other = link->ends[link->ends[0] == name ? 1 : 0];
      const std::uint32_t there = cost + link->cost;
      const auto [known, added] = reached.try_emplace(other, Reached{there, link, name});
      if (!added && known->second.cost <= there) continue;
      known->second = {there, link, name};
      next.emplace(there, other);
    }
  }
  if (!reached.contains(to)) {
    return Error{"no links lead from " + from + " to " + to + "; see weftctl link show"};
  }
  UnderlayPath out;
  out.cost = reached.at(to).cost;
  for (std::string at = to;; at = reached.at(at).before) {
    out.hops.push_back(at);
    if (at == from) break;
    out.links.push_back(reached.at(at).by->name);
  }
  std::ranges::reverse(out.hops);
  std::ranges::reverse(out.links);
  return out;
}

}  // namespace weft::controller
