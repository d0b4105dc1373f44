// What the rollout tells of itself.
#include "controller/rollout.hpp"

namespace weft::controller {

Profiles Rollout::profiles(const std::string& name) const {
  Profiles out;
  const auto node = nodes_.find(name);
  if (node == nodes_.end()) return out;
  for (const auto& network : node->second.networks) {
    const Told& told = networks_.at(network).told.at(name);
    out.merge(render(told.terms, told.profiles, underlay_));
  }
  return out;
}

std::optional<Way> Rollout::current(const std::string& network, const Pair& pair) const {
  const auto state = networks_.find(network);
  if (state == networks_.end()) return std::nullopt;
  const auto found = state->second.pairs.find(pair);
  return found == state->second.pairs.end() ? std::nullopt : found->second.current;
}

std::optional<std::string> Rollout::in_use(const Numbers& numbers) const {
  const std::pair<bool, std::uint32_t> both[] = {{false, numbers.vni}, {true, numbers.label}};
  for (const auto& number : both) {
    const auto users = numbers_.find(number);
    if (users == numbers_.end()) continue;
    for (const auto& user : users->second) {
      if (user != numbers.network) return user;
    }
  }
  return std::nullopt;
}

Rollout::NodeStatus Rollout::node(const std::string& name, Time now) const {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return {};
  const NodeState& node = found->second;
  return {node.told, node.applied, silent(node, now), node.refused};
}

Rollout::NetworkStatus Rollout::network(const std::string& name) const {
  NetworkStatus out;
  const auto found = networks_.find(name);
  if (found == networks_.end()) return out;
  const State& state = found->second;
  out.ways = state.plan.ways.size();
  out.unreachable = state.plan.unreachable.size();
  for (const auto& [node, wanted] : state.waits_for) out.waits_for.insert(node);
  for (const auto& [pair, moving] : state.pairs) {
    const auto planned = state.plan.ways.find(pair);
    if (planned != state.plan.ways.end() && moving.current != planned->second) ++out.moving;
    out.leaving += moving.olds.size();
  }
  return out;
}

}  // namespace weft::controller
