/// The resolver's decapsulation entries.

#include <map>

#include "agent/aggregate.hpp"
#include "agent/resolver.hpp"

namespace weft::agent {

Result<NexthopId> Resolver::decap_nexthop(const DecapConfig& config) const {
  if (!config.vif.empty()) {
    const auto vif = model_.vifs.find(config.vif);
    if (vif == model_.vifs.end()) return Error{"decap " + config.name + ": no vif " + config.vif};
    return vif->second.nexthop;
  }
  const auto vrf = model_.vrfs.find(config.vrf);
  if (vrf == model_.vrfs.end()) return Error{"decap " + config.name + ": no VRF " + config.vrf};
  return vrf->second.lookup;
}

Status Resolver::add_decaps(Transaction& tx, std::span<const DecapConfig> configs, Owner owner) {
  std::map<DecapKey, std::vector<const DecapConfig*>> by_key;
  for (const auto& config : configs) by_key[key_of(config)].push_back(&config);

  for (const auto& [key, profiles] : by_key) {
    DecapEntry entry;
    Decap decap{key.kind, key.local, key.destination_port, key.vni, {}, false, {}};
    const auto agree = [&](const DecapConfig& config, bool first) -> Status {
      const auto nexthop = decap_nexthop(config);
      if (!nexthop) return nexthop.error();
      if (first) {
        decap.zero_udp_checksum6 = config.zero_udp_checksum6;
        decap.nexthop = *nexthop;
      } else if (decap.nexthop != *nexthop ||
                 decap.zero_udp_checksum6 != config.zero_udp_checksum6) {
        return Error{"decap " + config.name + ": " + entry.profiles.front() +
                     " takes the same packets elsewhere or with another zero_udp_checksum6"};
      }
      decap.sources.insert(decap.sources.end(), config.sources.begin(), config.sources.end());
      return ok();
    };
    if (const auto found = model_.decap_entries.find(key); found != model_.decap_entries.end()) {
      entry = found->second;
      for (const auto& name : entry.profiles) {
        const auto& config = model_.decaps.find(name)->second.config;
        if (auto status = agree(config, name == entry.profiles.front()); !status) return status;
      }
    } else {
      entry.id = take(tx, decap_ids_);
    }
    for (const auto* config : profiles) {
      if (auto status = agree(*config, entry.profiles.empty()); !status) return status;
      entry.profiles.push_back(config->name);
      tx.put(model_.decaps, config->name, DecapObject{*config, owner});
    }
    decap.sources = aggregate_prefixes(std::move(decap.sources));
    tx.decaps[entry.id] = std::move(decap);
    tx.put(model_.decap_entries, key, std::move(entry));
  }
  return ok();
}

}  // namespace weft::agent
