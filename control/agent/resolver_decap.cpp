/// The resolver's decapsulation entries.

#include <algorithm>
#include <set>

#include "agent/aggregate.hpp"
#include "agent/resolver.hpp"

namespace weft::agent {

Result<NexthopId> Resolver::decap_nexthop(const DecapConfig& config) const {
  if (config.gateway) {
    const auto neighbour = gateway_neighbour(*config.gateway);
    if (!neighbour) return Error{"decap " + config.name + ": " + neighbour.error().message};
    return model_.adjacencies.at(*neighbour).nexthop;
  }
  if (passes_on(config.behaviour)) return NexthopId{};
  if (!config.tunnel.empty()) {
    const auto tunnel = model_.tunnels.find(config.tunnel);
    if (tunnel == model_.tunnels.end()) {
      return Error{"decap " + config.name + ": no tunnel " + config.tunnel};
    }
    return tunnel->second.nexthop;
  }
  if (!config.vif.empty()) {
    const auto vif = model_.vifs.find(config.vif);
    if (vif == model_.vifs.end()) return Error{"decap " + config.name + ": no vif " + config.vif};
    return vif->second.nexthop;
  }
  const auto vrf = model_.vrfs.find(config.vrf);
  if (vrf == model_.vrfs.end()) return Error{"decap " + config.name + ": no VRF " + config.vrf};
  return vrf->second.lookup;
}

Status Resolver::change_decaps(Transaction& tx,
                               const Update::Changes<DecapConfig, std::string>& changes) {
  std::set<DecapKey> keys;
  const auto leave = [&](const DecapConfig& config) {
    const auto key = key_of(config);
    auto entry = model_.decap_entries.at(key);
    std::erase(entry.profiles, config.name);
    tx.put(model_.decap_entries, key, std::move(entry));
    keys.insert(key);
  };
  for (const auto& name : changes.erase) {
    const auto found = model_.decaps.find(name);
    if (found == model_.decaps.end()) continue;
    leave(found->second.config);
    tx.erase(model_.decaps, name);
  }
  for (const auto& [config, owner] : changes.put) {
    const auto found = model_.decaps.find(config.name);
    const bool known = found != model_.decaps.end();
    const auto key = key_of(config);
    if (known && key_of(found->second.config) != key) leave(found->second.config);
    DecapEntry entry;
    if (const auto shared = model_.decap_entries.find(key); shared != model_.decap_entries.end()) {
      entry = shared->second;
    } else {
      entry.id = take(tx, decap_ids_);
    }
    if (std::ranges::find(entry.profiles, config.name) == entry.profiles.end()) {
      entry.profiles.push_back(config.name);
    }
    tx.put(model_.decap_entries, key, std::move(entry));
    tx.put(model_.decaps, config.name, DecapObject{config, owner});
    keys.insert(key);
  }
  for (const auto& key : keys) {
    if (auto status = publish_entry(tx, key); !status) return status;
  }
  return ok();
}

/// Tells the data plane what the profiles of a key amount to; they must agree where they lead.
Status Resolver::publish_entry(Transaction& tx, const DecapKey& key) {
  const auto id = model_.decap_entries.at(key).id;
  const auto profiles = model_.decap_entries.at(key).profiles;
  std::optional<NeighbourKey> via;
  if (!profiles.empty()) {
    const auto& config = model_.decaps.find(profiles.front())->second.config;
    const auto neighbour = config.gateway ? gateway_neighbour(*config.gateway) : Error{""};
    if (neighbour) via = *neighbour;
  }
  lean(tx, key, via);
  if (profiles.empty()) {
    tx.decaps[id] = std::nullopt;
    delete_decap(tx, id);
    for (const auto& [name, mark] : model_.decap_entries.at(key).marks) delete_decap(tx, mark);
    tx.erase(model_.decap_entries, key);
    return ok();
  }
  Decap decap;
  decap.kind = key.kind;
  decap.local = key.local;
  decap.destination_port = key.destination_port;
  decap.vni = key.vni;
  for (const auto& name : profiles) {
    const auto& config = model_.decaps.find(name)->second.config;
    const auto nexthop = decap_nexthop(config);
    if (!nexthop) return nexthop.error();
    if (name == profiles.front()) {
      const DecapTerms& terms = config;
      static_cast<DecapTerms&>(decap) = terms;
      decap.nexthop = *nexthop;
    } else if (decap.nexthop != *nexthop || static_cast<const DecapTerms&>(decap) != config) {
      return Error{"decap " + config.name + ": " + profiles.front() +
                   " takes the same packets elsewhere or on other terms"};
    }
    decap.sources.insert(decap.sources.end(), config.sources.begin(), config.sources.end());
  }
  decap.sources = aggregate_prefixes(std::move(decap.sources));
  decap.mark_ids = put_marks(tx, key, decap.marks);
  tx.decaps[id] = std::move(decap);
  return ok();
}

std::vector<DecapId> Resolver::put_marks(Transaction& tx, const DecapKey& key,
                                         const std::vector<DecapMark>& marks) {
  auto entry = model_.decap_entries.at(key);
  auto before = std::exchange(entry.marks, {});
  std::vector<DecapId> ids;
  for (const auto& mark : marks) {
    const auto known = before.extract(mark.name);
    ids.push_back(known ? known.mapped() : take(tx, decap_ids_));
    entry.marks.emplace(mark.name, ids.back());
  }
  for (const auto& [name, id] : before) {
    entry.leaving.push_back(id);
    tx.later.marks.emplace_back(key, id);
    delete_decap(tx, id);
  }
  tx.put(model_.decap_entries, key, std::move(entry));
  return ids;
}

void Resolver::delete_decap(Transaction& tx, DecapId id) {
  tx.later.decaps.push_back(id);
  tx.later.release.emplace_back([this, id] { decap_ids_.release(id); });
}

void Resolver::absorb_mark(const ForwardingPlane& plane, const DecapKey& key, DecapId mark) {
  const auto entry = model_.decap_entries.find(key);
  if (entry == model_.decap_entries.end() || std::erase(entry->second.leaving, mark) == 0) return;
  entry->second.left += model_.baselines.since_it_is(mark, plane.decap_counters(mark));
}

void Resolver::lean(Transaction& tx, const DecapKey& key, std::optional<NeighbourKey> via) {
  auto entry = model_.decap_entries.at(key);
  if (entry.via == via) return;
  if (via) pin(tx, *via);
  if (entry.via) unpin(tx, *entry.via);
  entry.via = via;
  tx.put(model_.decap_entries, key, std::move(entry));
}

}  // namespace weft::agent
