#include "controller/rollout.hpp"

#include <algorithm>

#include "controller/way_json.hpp"

namespace weft::controller {
namespace {

/// Tunnels before the routes into them, VRFs before all, and the other way round when they go.
int rank(const ProfileChange& change) {
  constexpr std::string_view order[] = {"security-group/", "vrf/", "decap/", "tunnel/", "route/"};
  int at = 0;
  for (const auto prefix : order) {
    if (change.key.starts_with(prefix)) break;
    ++at;
  }
  return change.json.empty() ? 10 - at : at;
}

}  // namespace

void Rollout::known(const std::string& node, bool is_known) {
  NodeState& state = nodes_[node];
  state.known = is_known;
  const auto waiting = waiting_.find(node);
  if (waiting != waiting_.end()) queue_.insert(waiting->second.begin(), waiting->second.end());
}

bool Rollout::silent(const NodeState& node, Time now) const {
  return node.applied < node.told && now - node.waiting_since >= timers_.silent;
}

bool Rollout::has_applied(const std::string& node, std::uint64_t generation, Time now) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || !found->second.known) return true;
  return found->second.applied >= generation || silent(found->second, now);
}

bool Rollout::lets_in(const State& state, const Pair& pair, const Way& way, Time now) const {
  const auto told = state.told.find(pair.receiver);
  if (told == state.told.end()) return false;
  const Entrance entrance(way);
  const auto decap = told->second.since.find(entrance);
  if (decap == told->second.since.end()) return false;
  const auto since = decap->second.find(way.source);
  if (since == decap->second.end() || !has_applied(pair.receiver, since->second, now)) return false;
  const auto node = nodes_.find(pair.receiver);
  const auto key = "decap/" + decap_name(told->second.terms.network.name, entrance);
  return node == nodes_.end() || !node->second.refused.contains(key);
}

void Rollout::move_pair(State& state, const Pair& pair, PairState& moving, Time now) {
  const auto planned = state.plan.ways.find(pair);
  const Way* wanted = planned == state.plan.ways.end() ? nullptr : &planned->second;
  const auto leave = [&] {
    if (moving.current) moving.olds.push_back({*moving.current, generation_ + 1, {}});
  };
  if (wanted == nullptr) {
    leave();
    moving.current.reset();
  } else if (moving.current != *wanted) {
    if (moving.current && moving.current->looks_like(*wanted)) {
      moving.current = *wanted;
    } else if (lets_in(state, pair, *wanted, now)) {
      leave();
      moving.current = *wanted;
    } else {
      state.waits_for.insert(pair.receiver);
    }
  }
  std::erase_if(moving.olds, [&](Old& old) {
    if (moving.current && old.way.looks_like(*moving.current)) return true;  // back again
    if (!old.confirmed && has_applied(pair.sender, old.left, now)) old.confirmed = now;
    if (!old.confirmed) {
      state.waits_for.insert(pair.sender);
      return false;
    }
    const Time end = *old.confirmed + timers_.grace;
    if (now >= end) return true;
    if (!state.ends || end < *state.ends) state.ends = end;
    return false;
  });
}

/// Whether one goes another way now.
bool Rollout::move_pairs(State& state, Time now) {
  bool moved = false;
  for (const auto& [pair, way] : state.plan.ways) state.pairs.try_emplace(pair);
  for (auto& [pair, moving] : state.pairs) {
    const bool had = moving.current.has_value();
    move_pair(state, pair, moving, now);
    moved |= had != moving.current.has_value();
  }
  return moved;
}

std::map<std::string, NodeProfiles> Rollout::wanted_profiles(const State& state) const {
  std::map<std::string, NodeProfiles> out;
  const auto let_in = [&](const Pair& pair, const Way& way) {
    out[pair.receiver].decaps[Entrance(way)].insert(way.source);
  };
  for (const auto& [pair, way] : state.plan.ways) let_in(pair, way);
  for (const auto& [pair, moving] : state.pairs) {
    if (moving.current) {
      let_in(pair, *moving.current);
      out[pair.sender].tunnels.emplace(pair.receiver, *moving.current);
    }
    for (const auto& old : moving.olds) let_in(pair, old.way);
  }
  for (const auto& member : state.plan.members) {
    NodeProfiles& node = out[member];
    for (const auto& [prefix, route] : state.plan.routes) {
      const bool there = route.node == member;  // which routes to its own VIFs itself
      if (there) continue;
      if (route.node.empty() || current(route.network, {member, route.node})) {
        node.routes.emplace(prefix, route);
      }
    }
  }
  for (auto& [node, profiles] : out) {
    profiles.vrf = state.plan.members.contains(node) || !profiles.decaps.empty();
    if (!profiles.vrf) continue;
    const auto told = state.told.find(node);
    const bool gone = state.plan.network.name.empty();  // and its VRF still names them
    profiles.groups =
        gone && told != state.told.end() ? told->second.profiles.groups : state.plan.groups;
  }
  // Those that were told something go on being looked at until it is gone.
  for (const auto& [node, told] : state.told) out.try_emplace(node);
  return out;
}

void Rollout::tell(const std::string& network, State& state, const std::string& node,
                   const NodeProfiles& now, RolloutStep& out) {
  const std::uint64_t next = generation_ + 1;
  Told& told = state.told[node];
  ProfileTerms terms{state.plan.network, state.plan.numbers};
  if (terms.network.name.empty()) terms = told.terms;  // it is gone, what is left of it is not
  auto changes = difference(told.terms, told.profiles, terms, now, underlay_);

  std::map<Entrance, std::map<IpAddress, std::uint64_t>> since;
  for (const auto& [entrance, sources] : now.decaps) {
    auto& put = told.put[entrance];
    if (changes.contains("decap/" + decap_name(network, entrance))) put = next;
    const auto before = told.since.find(entrance);
    for (const auto& source : sources) {
      const bool had = before != told.since.end() && before->second.contains(source);
      since[entrance][source] = had ? before->second.at(source) : put;
    }
  }
  std::erase_if(told.put, [&](const auto& entry) { return !now.decaps.contains(entry.first); });
  told.since = std::move(since);
  told.profiles = now;
  told.terms = std::move(terms);

  NodeState& receiver = nodes_[node];
  for (auto& [key, json] : changes) {
    receiver.refused.erase(key);
    out.changes.push_back({node, key, std::move(json)});
  }
  receiver.networks.insert(network);
  if (!told.profiles.empty()) return;
  receiver.networks.erase(network);
  state.told.erase(node);
}

void Rollout::record(const std::string& name, State& state, RolloutStep& out) const {
  for (auto at = state.pairs.begin(); at != state.pairs.end();) {
    auto& [pair, moving] = *at;
    const auto planned = state.plan.ways.find(pair);
    const bool there = planned != state.plan.ways.end() && moving.current == planned->second;
    const bool gone = planned == state.plan.ways.end() && !moving.current;
    std::string json;
    if (!(there || gone) || !moving.olds.empty()) {
      std::vector<Way> olds;
      for (const auto& old : moving.olds) olds.push_back(old.way);
      json = to_json({moving.current, std::move(olds)});
    }
    if (json != moving.record) {
      out.records.push_back(
          {name, pair, json.empty() ? std::nullopt : std::optional<std::string>(json)});
      moving.record = json;
    }
    at = gone && moving.olds.empty() ? state.pairs.erase(at) : std::next(at);
  }
}

void Rollout::index_numbers(const std::string& name, State& state) {
  std::set<std::pair<bool, std::uint32_t>> now;
  for (const auto& [node, told] : state.told) {
    for (const auto& [entrance, sources] : told.profiles.decaps) {
      now.emplace(describe(entrance.kind).network == "label", entrance.number);
    }
  }
  if (now == state.numbers) return;
  for (const auto& number : state.numbers) {
    numbers_[number].erase(name);
    if (numbers_[number].empty()) numbers_.erase(number);
  }
  for (const auto& number : now) numbers_[number].insert(name);
  state.numbers = std::move(now);
}

void Rollout::step(const std::string& name, Time now, RolloutStep& out) {
  State& state = networks_[name];
  for (const auto& [prefix, route] : state.plan.routes) dependents_[route.network].erase(name);
  state.plan = plan_of_(name);
  for (const auto& [prefix, route] : state.plan.routes) {
    if (route.network != name) dependents_[route.network].insert(name);
  }
  for (const auto& node : std::exchange(state.waits_for, {})) waiting_[node].erase(name);
  state.ends.reset();
  if (move_pairs(state, now)) {
    const auto& dependents = dependents_[name];
    queue_.insert(dependents.begin(), dependents.end());
  }
  for (const auto& [node, profiles] : wanted_profiles(state)) {
    tell(name, state, node, profiles, out);
  }
  index_numbers(name, state);
  record(name, state, out);
  for (const auto& node : state.waits_for) waiting_[node].insert(name);
}

/// Puts the network into the timetable, for the end of a grace or of the patience with a node.
void Rollout::schedule(const std::string& name) {
  const auto found = networks_.find(name);
  if (found == networks_.end()) return;
  State& state = found->second;
  if (state.due) timetable_.erase({*state.due, name});
  state.due = state.ends;
  for (const auto& node : state.waits_for) {
    const NodeState& waited = nodes_[node];
    const Time patience = waited.waiting_since + timers_.silent;
    const bool late = waited.applied < waited.told;
    if (late && (!state.due || patience < *state.due)) state.due = patience;
  }
  if (state.due) timetable_.insert({*state.due, name});
  if (state.plan.network.name.empty() && state.pairs.empty() && state.told.empty()) {
    networks_.erase(found);
  }
}

/// Whether some network has the node keep the security group of that key.
bool Rollout::has_group(const std::string& node, std::string_view key) const {
  constexpr std::string_view kind = "security-group/";
  if (!key.starts_with(kind)) return false;
  const std::string name(key.substr(kind.size()));
  const auto& networks = nodes_.at(node).networks;
  return std::ranges::any_of(networks, [&](const std::string& network) {
    return networks_.at(network).told.at(node).profiles.groups.contains(name);
  });
}

/// Each object once, as it is in the end, and in an order in which nodes can apply them.
void Rollout::finish(RolloutStep& out, Time now) {
  std::map<std::pair<std::string, std::string>, std::string> last;
  for (auto& change : out.changes) {
    last.insert_or_assign({std::move(change.node), std::move(change.key)}, std::move(change.json));
  }
  out.changes.clear();
  for (auto& [key, json] : last) {
    if (json.empty() && has_group(key.first, key.second)) continue;
    out.changes.push_back({key.first, key.second, std::move(json)});
  }
  std::ranges::stable_sort(out.changes, {}, rank);
  if (out.changes.empty()) return;
  ++generation_;
  for (const auto& change : out.changes) {
    NodeState& node = nodes_[change.node];
    if (node.applied >= node.told) node.waiting_since = now;
    node.told = generation_;
  }
}

RolloutStep Rollout::advance(Time now) {
  while (!timetable_.empty() && timetable_.begin()->first <= now) {
    const auto entry = timetable_.extract(timetable_.begin());
    networks_.at(entry.value().second).due.reset();
    queue_.insert(entry.value().second);
  }
  RolloutStep out;
  std::set<std::string> stepped;
  while (!queue_.empty()) {
    const auto name = queue_.extract(queue_.begin());
    step(name.value(), now, out);
    stepped.insert(name.value());
  }
  finish(out, now);
  for (const auto& name : stepped) schedule(name);
  out.generation = generation_;
  return out;
}

Result<RolloutStep> Rollout::restore(std::uint64_t generation, const std::set<std::string>& nodes,
                                     const std::set<std::string>& networks,
                                     const std::vector<PairRecord>& records, Time now) {
  generation_ = generation;
  for (const auto& node : nodes) {
    nodes_[node].told = generation + 1;
    nodes_[node].waiting_since = now;
  }
  RolloutStep dropped;
  for (const auto& name : networks) {
    State& state = networks_[name];
    for (const auto& [pair, way] : plan_of_(name).ways) state.pairs[pair].current = way;
    queue_.insert(name);
  }
  for (const auto& record : records) {
    const auto network = networks_.find(record.network);
    if (network == networks_.end()) {
      dropped.records.push_back({record.network, record.pair, {}});
      continue;
    }
    const auto ways = parse_pair_ways(record.json.value_or(""));
    if (!ways) {
      return Error{"what is kept of " + record.pair.sender + " and " + record.pair.receiver +
                   " in network " + record.network + " cannot be read"};
    }
    PairState pair{ways->current, {}, *record.json};
    for (const auto& old : ways->olds) pair.olds.push_back({old, generation_ + 1, {}});
    network->second.pairs.insert_or_assign(record.pair, std::move(pair));
  }
  RolloutStep out = advance(now);
  out.changes.clear();
  out.generation = generation_ = generation + 1;
  out.records.insert(out.records.end(), dropped.records.begin(), dropped.records.end());
  return out;
}

void Rollout::applied(const std::string& name, std::uint64_t generation,
                      const std::map<std::string, std::string>& refused, Time now) {
  NodeState& node = nodes_[name];
  node.applied = generation;
  node.waiting_since = now;
  node.refused = refused;
  const auto waiting = waiting_.find(name);
  if (waiting != waiting_.end()) queue_.insert(waiting->second.begin(), waiting->second.end());
}

std::optional<Time> Rollout::due() const {
  if (timetable_.empty()) return std::nullopt;
  return timetable_.begin()->first;
}

}  // namespace weft::controller
