#include "controller/model.hpp"

#include <algorithm>

#include "agent/yaml_reader.hpp"
#include "controller/fnv.hpp"

namespace weft::controller {
namespace {

constexpr std::uint32_t least_number = 10000;  // below are those that people choose
constexpr std::uint32_t most_number = 0xfffff;
constexpr std::uint32_t least_label = 16;

/// References of links, whose ends are nodes or devices.
std::vector<Key> ends(const Object& object, Kind kind) {
  std::vector<Key> out;
  if (const auto* link = std::get_if<Link>(&object)) {
    for (const auto& end : link->ends) out.push_back({kind, end});
  }
  return out;
}

std::vector<Key> all_references(const Object& object) {
  auto out = references(object);
  for (const Kind kind : {Kind::node, Kind::device}) {
    for (auto& key : ends(object, kind)) out.push_back(std::move(key));
  }
  return out;
}

}  // namespace

const Object* Model::find(const Key& key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : &found->second;
}

const std::set<Key>& Model::referrers(const Key& key) const {
  static const std::set<Key> none;
  const auto found = referrers_.find(key);
  return found == referrers_.end() ? none : found->second;
}

std::string Model::did_you_mean(const Key& key) const {
  constexpr std::size_t most = 10000;
  std::vector<std::string_view> names;
  for (auto at = objects_.lower_bound({key.kind, ""});
       at != objects_.end() && at->first.kind == key.kind && names.size() < most; ++at) {
    names.push_back(at->first.name);
  }
  return yaml::did_you_mean(key.name, names);
}

void Model::link(const Key& key, const Object& object) {
  for (const auto& to : all_references(object)) referrers_[to].insert(key);
  for (const auto& claim : claims(object)) owners_[claim].insert(key);
}

void Model::unlink(const Key& key, const Object& object) {
  const auto erase = [&](auto& map, const auto& at) {
    const auto found = map.find(at);
    if (found == map.end()) return;
    found->second.erase(key);
    if (found->second.empty()) map.erase(found);
  };
  for (const auto& to : all_references(object)) erase(referrers_, to);
  for (const auto& claim : claims(object)) erase(owners_, claim);
}

void Model::put(const Key& key, std::optional<Object> object,
                std::map<Key, std::optional<Object>>& before) {
  const auto found = objects_.find(key);
  before.try_emplace(key, found == objects_.end() ? std::nullopt : std::optional(found->second));
  if (found != objects_.end()) {
    unlink(key, found->second);
    objects_.erase(found);
  }
  if (!object) return;
  link(key, *object);
  objects_.emplace(key, *std::move(object));
}

/// The first that is free from where the name leads: controllers that cannot ask each other hardly
/// ever give the same to two networks, and give the same network the same.
std::uint32_t Model::free_number(const std::vector<std::string>& words, const std::string& network,
                                 std::uint32_t least) const {
  const std::uint32_t all = most_number - least + 1;
  std::uint32_t at = fnv1a<std::uint32_t>(network) % all;
  for (std::uint32_t tried = 0; tried < all; ++tried, at = at + 1 == all ? 0 : at + 1) {
    const auto number = std::to_string(least + at);
    if (std::ranges::all_of(words, [&](const auto& word) { return free(word + number); })) {
      return least + at;
    }
  }
  return 0;
}

/// Numbers for networks that are new or asked for others, and none for those that are gone.
void Model::number(std::map<Key, std::optional<Object>>& before) {
  std::vector<std::string> touched;
  for (const auto& [key, object] : before) {
    if (key.kind == Kind::network) touched.push_back(key.name);
    // Whom a node knows by what it subscribed to goes with either.
    if (key.kind != Kind::network && key.kind != Kind::node) continue;
    if (find(key) != nullptr) continue;
    const auto named = referrers(key);
    for (const auto& member : named) {
      if (member.kind == Kind::member) put(member, std::nullopt, before);
    }
  }
  // What people ask for goes before what is chosen.
  std::stable_partition(touched.begin(), touched.end(), [&](const auto& name) {
    const auto* network = find<Network>(Kind::network, name);
    return network == nullptr || network->vni || network->label || network->id;
  });
  for (const auto& name : touched) {
    const Key key{Kind::numbers, name};
    const auto* network = find<Network>(Kind::network, name);
    if (network == nullptr) {
      if (find(key) != nullptr) put(key, std::nullopt, before);
      continue;
    }
    const auto* old = find<Numbers>(Kind::numbers, name);
    const Numbers was = old == nullptr ? Numbers{} : *old;
    put(key, std::nullopt, before);  // its own numbers are free for it
    Numbers now{name, network->id.value_or(was.id), network->vni.value_or(was.vni),
                network->label.value_or(0)};
    if (now.id == 0) now.id = free_number({"the id "}, name, 1);
    if (now.vni == 0) now.vni = free_number({"the VNI ", "the label "}, name, least_number);
    if (now.label == 0 && was.vni == now.vni) now.label = was.label;
    const bool fits = now.vni >= least_label && now.vni <= most_number;
    if (now.label == 0 && fits && free("the label " + std::to_string(now.vni))) now.label = now.vni;
    if (now.label == 0) now.label = free_number({"the label "}, name, least_number);
    put(key, now, before);
  }
}

Status Model::check_object(const Key& key, const Object& object) const {
  for (const auto& to : references(object)) {
    if (find(to) != nullptr) continue;
    return Error{label(key) + ": there is no " + std::string(describe(to.kind).word) + " " +
                 yaml::quoted(to.name) + did_you_mean(to)};
  }
  for (const auto& end : ends(object, Kind::node)) {
    if (find(end) != nullptr || find({Kind::device, end.name}) != nullptr) continue;
    return Error{label(key) + ": there is no node and no device " + yaml::quoted(end.name) +
                 did_you_mean(end)};
  }
  for (const auto& claim : claims(object)) {
    const auto& owners = owners_.at(claim);
    if (owners.size() == 1) continue;
    const Key& other = *owners.begin() == key ? *owners.rbegin() : *owners.begin();
    return Error{label(Key{key.kind == Kind::numbers ? Kind::network : key.kind, key.name}) + ": " +
                 claim + " is taken by " +
                 label(Key{other.kind == Kind::numbers ? Kind::network : other.kind, other.name}) +
                 "; choose another"};
  }
  if (const auto* vm = std::get_if<Vm>(&object)) {
    const auto& subnets = find<Network>(Kind::network, vm->network)->subnets;
    for (const auto& address : vm->addresses) {
      const auto holds = [&](const auto& subnet) { return subnet.prefix.contains(address); };
      if (std::ranges::any_of(subnets, holds)) continue;
      return Error{label(key) + ": " + to_string(address) + " is in no subnet of network " +
                   vm->network};
    }
  }
  return ok();
}

Status Model::check(const std::map<Key, std::optional<Object>>& before,
                    const Refusal& refused) const {
  for (const auto& [key, was] : before) {
    const Object* object = find(key);
    if (object == nullptr) {
      for (const auto& user : referrers(key)) {
        // A link's end may be the other of node and device.
        const bool elsewhere =
            user.kind == Kind::link &&
            (find({Kind::node, key.name}) != nullptr || find({Kind::device, key.name}) != nullptr);
        if (elsewhere) continue;
        return Error{label(key) + " is used by " + label(user) + "; change or delete that first"};
      }
      continue;
    }
    if (const auto good = check_object(key, *object); !good) return good;
    if (key.kind == Kind::network && was) {  // its subnets may have changed
      for (const auto& user : referrers(key)) {
        if (user.kind != Kind::vm) continue;
        if (const auto good = check_object(user, *find(user)); !good) return good;
      }
    }
    const auto* numbers = std::get_if<Numbers>(object);
    if (numbers == nullptr) continue;
    if (numbers->id == 0 || numbers->vni == 0 || numbers->label == 0) {
      return Error{"network " + key.name + ": all numbers are given out; delete a network first"};
    }
    const auto why =
        refused && was != std::optional<Object>(*object) ? refused(*numbers) : std::nullopt;
    if (why) return Error{"network " + key.name + ": " + *why};
  }
  return ok();
}

Result<std::vector<Edit>> Model::apply(std::vector<Edit> edits, const Refusal& refused) {
  std::map<Key, std::optional<Object>> before;
  for (auto& edit : edits) put(edit.key, std::move(edit.object), before);
  number(before);
  if (const auto good = check(before, refused); !good) {
    std::vector<Edit> undo;
    for (auto& [key, object] : before) undo.push_back({key, std::move(object)});
    restore(std::move(undo));
    return good.error();
  }
  std::vector<Edit> undo;
  for (auto& [key, object] : before) {
    const Object* now = find(key);
    const bool same = object ? now != nullptr && *now == *object : now == nullptr;
    if (!same) undo.push_back({key, std::move(object)});
  }
  return undo;
}

void Model::restore(std::vector<Edit> edits) {
  std::map<Key, std::optional<Object>> ignored;
  for (auto& edit : edits) put(edit.key, std::move(edit.object), ignored);
}

}  // namespace weft::controller
