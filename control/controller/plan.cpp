#include "controller/plan.hpp"

#include <algorithm>

#include "agent/aggregate.hpp"

namespace weft::controller {
namespace {

bool supports(const Node& node, TunnelKind kind) {
  return node.kinds.empty() || std::ranges::find(node.kinds, kind) != node.kinds.end();
}

const IpAddress* address_of(const Node& node, IpFamily family) {
  const auto found = std::ranges::find(node.tunnel_addresses, family, &IpAddress::family);
  return found == node.tunnel_addresses.end() ? nullptr : &*found;
}

/// By the first kind that both can, over IPv4 where both have it.
std::optional<Way> way(const Network& network, const Numbers& numbers, const Node& sender,
                       const Node& receiver) {
  for (const TunnelKind kind : network.tunnels) {
    if (!supports(sender, kind) || !supports(receiver, kind)) continue;
    const bool labelled = describe(kind).network == "label";
    for (const IpFamily family : {IpFamily::v4, IpFamily::v6}) {
      const auto* from = address_of(sender, family);
      const auto* to = address_of(receiver, family);
      if (from == nullptr || to == nullptr) continue;
      return Way{kind, labelled ? numbers.label : numbers.vni, *from, *to};
    }
  }
  return std::nullopt;
}

}  // namespace

std::string Planner::own_target(const Network& network) const {
  const auto* numbers = model_.find<Numbers>(Kind::numbers, network.name);
  return std::to_string(as_number_) + ":" + std::to_string(numbers == nullptr ? 0 : numbers->id);
}

std::set<std::string> Planner::import_targets(const Network& network) const {
  if (!network.import_targets) return {own_target(network)};
  return {network.import_targets->begin(), network.import_targets->end()};
}

std::set<std::string> Planner::export_targets(const Network& network) const {
  if (!network.export_targets) return {own_target(network)};
  return {network.export_targets->begin(), network.export_targets->end()};
}

void Planner::index(const std::string& name) {
  const auto forget = [&](auto& by_target, const std::set<std::string>& targets) {
    for (const auto& target : targets) {
      const auto found = by_target.find(target);
      if (found == by_target.end()) continue;
      found->second.erase(name);
      if (found->second.empty()) by_target.erase(found);
    }
  };
  if (const auto old = indexed_.extract(name)) {
    forget(importers_of_, old.mapped().imports);
    forget(exporters_of_, old.mapped().exports);
  }
  const auto* network = model_.find<Network>(Kind::network, name);
  if (network == nullptr) return;
  Targets targets{import_targets(*network), export_targets(*network)};
  for (const auto& target : targets.imports) importers_of_[target].insert(name);
  for (const auto& target : targets.exports) exporters_of_[target].insert(name);
  indexed_.emplace(name, std::move(targets));
}

std::set<std::string> Planner::importers(const Network& network) const {
  std::set<std::string> out;
  for (const auto& target : export_targets(network)) {
    const auto found = importers_of_.find(target);
    if (found != importers_of_.end()) out.insert(found->second.begin(), found->second.end());
  }
  return out;
}

std::set<std::string> Planner::exporters(const Network& network) const {
  std::set<std::string> out;
  for (const auto& target : import_targets(network)) {
    const auto found = exporters_of_.find(target);
    if (found != exporters_of_.end()) out.insert(found->second.begin(), found->second.end());
  }
  return out;
}

std::set<std::string> Planner::members(const std::string& name) const {
  std::set<std::string> out;
  const auto* network = model_.find<Network>(Kind::network, name);
  if (network == nullptr) return out;
  out.insert(network->members.begin(), network->members.end());
  for (const auto& key : model_.referrers({Kind::network, name})) {
    const Object& object = *model_.find(key);
    if (const auto* vm = std::get_if<Vm>(&object)) out.insert(vm->node);
    if (const auto* member = std::get_if<Member>(&object)) out.insert(member->node);
    const auto* route = std::get_if<Route>(&object);
    if (route != nullptr && !route->node.empty()) out.insert(route->node);
  }
  return out;
}

void Planner::add_vm_routes(const std::string& exporter, NetworkPlan& plan) const {
  for (const auto& key : model_.referrers({Kind::network, exporter})) {
    if (key.kind != Kind::vm) continue;
    const auto& vm = std::get<Vm>(*model_.find(key));
    for (const auto& address : vm.addresses) {
      const IpPrefix prefix = IpPrefix::host(address);
      // Of two networks with the same address the network's own goes first.
      if (exporter == plan.network.name) {
        plan.routes.insert_or_assign(prefix, PlannedRoute{prefix, exporter, vm.node});
      } else {
        plan.routes.try_emplace(prefix, PlannedRoute{prefix, exporter, vm.node});
      }
    }
  }
}

/// What the intent says, and the VMs of networks whose VIFs are in it.
std::vector<IpPrefix> Planner::group_members(const std::string& name) const {
  auto out = model_.find<SecurityGroupConfig>(Kind::security_group, name)->members;
  for (const auto& user : model_.referrers({Kind::security_group, name})) {
    if (user.kind != Kind::network) continue;
    for (const auto& key : model_.referrers({Kind::network, user.name})) {
      const auto* vm = std::get_if<Vm>(model_.find(key));
      if (vm == nullptr) continue;
      for (const auto& address : vm->addresses) out.push_back(IpPrefix::host(address));
    }
  }
  return agent::aggregate_prefixes(std::move(out));
}

void Planner::add_groups(NetworkPlan& plan) const {
  std::vector<Key> next;
  for (const auto& name : plan.network.security_groups)
    next.push_back({Kind::security_group, name});
  while (!next.empty()) {
    const Key key = next.back();
    next.pop_back();
    const auto& group = std::get<SecurityGroupConfig>(*model_.find(key));
    const auto [at, added] = plan.groups.emplace(key.name, group);
    if (!added) continue;
    at->second.members = group_members(key.name);
    for (const auto& named : references(group)) next.push_back(named);
  }
}

void Planner::add_users(const std::string& group, std::set<std::string>& into) const {
  std::set<std::string> seen{group};
  std::vector<std::string> next{group};
  while (!next.empty()) {
    const std::string name = next.back();
    next.pop_back();
    for (const auto& user : model_.referrers({Kind::security_group, name})) {
      if (user.kind == Kind::network) into.insert(user.name);
      if (user.kind != Kind::security_group || !seen.insert(user.name).second) continue;
      next.push_back(user.name);
    }
  }
}

NetworkPlan Planner::plan(const std::string& name) const {
  NetworkPlan out;
  const auto* network = model_.find<Network>(Kind::network, name);
  const auto* numbers = model_.find<Numbers>(Kind::numbers, name);
  if (network == nullptr || numbers == nullptr) return out;
  out.network = *network;
  out.numbers = *numbers;
  out.members = members(name);
  std::set<std::string> senders = out.members;  // routes of intents lead there without any target
  for (const auto& importer : importers(*network)) {
    const auto there = importer == name ? std::set<std::string>{} : members(importer);
    senders.insert(there.begin(), there.end());
  }
  for (const auto& receiver : out.members) {
    const auto* to = model_.find<Node>(Kind::node, receiver);
    for (const auto& sender : senders) {
      if (sender == receiver) continue;
      const auto* from = model_.find<Node>(Kind::node, sender);
      if (const auto found = way(*network, *numbers, *from, *to)) {
        out.ways.emplace(Pair{sender, receiver}, *found);
      } else {
        out.unreachable.push_back({sender, receiver});
      }
    }
  }
  add_groups(out);
  if (network->inventory_routes) {
    for (const auto& exporter : exporters(*network)) add_vm_routes(exporter, out);
  }
  for (const auto& key : model_.referrers({Kind::network, name})) {
    if (key.kind != Kind::route) continue;
    const auto& route = std::get<Route>(*model_.find(key));
    out.routes.insert_or_assign(route.prefix, PlannedRoute{route.prefix, name, route.node});
  }
  return out;
}

std::set<std::string> Planner::networks_of(const std::string& node) const {
  std::set<std::string> out;
  for (const auto& key : model_.referrers({Kind::node, node})) {
    const Object& object = *model_.find(key);
    if (const auto* network = std::get_if<Network>(&object)) out.insert(network->name);
    if (const auto* vm = std::get_if<Vm>(&object)) out.insert(vm->network);
    if (const auto* route = std::get_if<Route>(&object)) out.insert(route->network);
    if (const auto* member = std::get_if<Member>(&object)) out.insert(member->network);
  }
  return out;
}

/// The network itself, those whose routes it takes (its members send there), and those that take
/// its routes.
void Planner::add_related(const std::string& name, std::set<std::string>& into) const {
  into.insert(name);
  const auto* network = model_.find<Network>(Kind::network, name);
  if (network == nullptr) return;
  for (const auto& others : {exporters(*network), importers(*network)}) {
    into.insert(others.begin(), others.end());
  }
}

std::set<std::string> Planner::touched(const Key& key) const {
  std::set<std::string> direct;
  const Object* object = model_.find(key);
  if (object == nullptr) return direct;
  if (key.kind == Kind::node) {
    direct = networks_of(key.name);
  } else if (key.kind == Kind::network || key.kind == Kind::numbers) {
    direct.insert(key.name);
  } else if (const auto* vm = std::get_if<Vm>(object)) {
    direct.insert(vm->network);
  } else if (const auto* route = std::get_if<Route>(object)) {
    direct.insert(route->network);
  } else if (const auto* member = std::get_if<Member>(object)) {
    direct.insert(member->network);
  }
  std::set<std::string> out;
  if (key.kind == Kind::security_group) add_users(key.name, out);
  for (const auto& name : direct) {
    add_related(name, out);
    const auto* network = model_.find<Network>(Kind::network, name);
    if (network == nullptr) continue;
    for (const auto& group : network->security_groups) add_users(group, out);
  }
  return out;
}

}  // namespace weft::controller
