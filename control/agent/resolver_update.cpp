/// The resolver's changes of whole objects: many at once, in one batch.

#include <algorithm>

#include "agent/resolver.hpp"

namespace weft::agent {

Result<Generation> Resolver::update(const Update& update) {
  Transaction tx;
  concerned_.clear();
  if (auto status = apply_update(tx, update); !status) return status.error();
  if (!update.vifs.empty() || !update.vrfs.empty() || !update.security_groups.empty()) {
    if (auto status = refresh_policies(tx, update); !status) return status.error();
    refresh_flows(tx);
  }
  return publish(tx);
}

void Resolver::refresh_flows(Transaction& tx) {
  std::set<VrfId> keep;
  for (const auto& [name, vif] : model_.vifs) {
    const bool policy = vif.policy.id.valid() || vif.next.id.valid();
    if ((vif.config.flows || policy) && !vif.host) keep.insert(vif.vrf);
  }
  for (const auto& [name, port] : model_.ports) {
    if (port.config.flows) keep.insert(underlay_vrf);
  }
  std::vector<VrfObject> changed;
  for (const auto& [name, vrf] : model_.vrfs) {
    if (keep.contains(vrf.id) != vrf.flows) changed.push_back(vrf);
  }
  for (VrfObject& vrf : changed) {
    vrf.flows = !vrf.flows;
    tx.put(model_.vrfs, vrf.config.name, vrf);
    tx.vrfs[vrf.id] = Vrf{vrf.config.router_mac, vrf.flows};
  }
}

/// What goes makes room first: an address may move from one VIF to another. The data plane hears
/// only of the outcome.
Status Resolver::apply_update(Transaction& tx, const Update& update) {
  Erased erased;
  for (const auto& key : update.routes.erase) {
    if (auto status = remove_route(tx, key.vrf, key.prefix); !status) return status;
  }
  for (const auto& name : update.tunnels.erase) remove_tunnel(tx, name, erased);
  for (const auto& name : update.vifs.erase) remove_vif(tx, name, erased);
  for (const auto& address : update.neighbours.erase) remove_static_neighbour(tx, address);
  for (const auto& name : update.vrfs.erase) remove_vrf(tx, name, erased);

  change_security_groups(tx, update.security_groups);
  for (const auto& [config, owner] : update.vrfs.put) put_vrf(tx, config, owner);
  for (const auto& [config, owner] : update.neighbours.put) {
    if (auto status = add_static_neighbour(tx, config, owner); !status) return status;
  }
  for (const auto& [config, owner] : update.vifs.put) {
    if (auto status = put_vif(tx, config, owner, update); !status) return status;
  }
  // Tunnels rest on the routes to gateways, and the other routes on tunnels.
  const auto put_routes = [&](bool to_gateways) -> Status {
    for (const auto& [config, owner] : update.routes.put) {
      if (config.via.gateways.empty() == to_gateways) continue;
      if (auto status = add_route(tx, config, owner); !status) return status;
    }
    return ok();
  };
  if (auto status = put_routes(true); !status) return status;
  for (const auto& [config, owner] : update.tunnels.put) {
    if (auto status = add_tunnel(tx, config, owner); !status) return status;
  }
  if (auto status = change_decaps(tx, update.decaps); !status) return status;
  if (auto status = put_routes(false); !status) return status;
  if (!update.decaps.empty()) refresh_local_addresses(tx);

  // Until here what was erased could still be asked for its name.
  for (const auto id : erased.nexthops) tx.erase(model_.nexthops, id);
  for (const auto id : erased.vrfs) tx.erase(model_.ribs, id);
  return ok();
}

void Resolver::delete_nexthop(Transaction& tx, NexthopId id) {
  tx.later.batch.nexthops.push_back({id, std::nullopt});
  tx.later.release.emplace_back([this, id] { nexthop_ids_.release(id); });
}

void Resolver::delete_adjacency(Transaction& tx, AdjacencyId id) {
  tx.later.batch.adjacencies.push_back({id, std::nullopt});
  tx.later.release.emplace_back([this, id] { adjacency_ids_.release(id); });
}

void Resolver::finish_deletions(ForwardingPlane& plane) {
  while (!deletions_.empty()) {
    auto& next = deletions_.front();
    if (!next.grace) next.grace = plane.begin_grace();
    if (!plane.grace_over(*next.grace)) return;
    if (!next.what.batch.empty() && !apply_(next.what.batch)) return;
    for (const auto id : next.what.close) (void)plane.close_port(id);
    for (const auto& change : next.what.batch.nexthops) {
      model_.baselines.nexthops[change.id.index()] = plane.nexthop_counters(change.id);
    }
    for (const auto& [key, id] : next.what.marks) absorb_mark(plane, key, id);
    for (const auto id : next.what.decaps) {
      model_.baselines.decaps[id.index()] = plane.decap_counters(id);
    }
    for (const auto& release : next.what.release) release();
    deletions_.pop_front();
  }
}

void Resolver::put_vrf(Transaction& tx, const VrfConfig& config, Owner owner) {
  const auto found = model_.vrfs.find(config.name);
  if (found == model_.vrfs.end()) {
    add_vrf(tx, config, take(tx, vrf_ids_), owner);
    return;
  }
  auto vrf = found->second;
  const auto before = std::exchange(vrf.config, config);
  vrf.owner = owner;
  tx.put(model_.vrfs, config.name, vrf);
  for (const auto& subnet : before.subnets) {
    change_route(tx, vrf.id, IpPrefix::host(subnet.gateway), RouteSource::own, std::nullopt);
  }
  for (const auto& subnet : config.subnets) {
    change_route(tx, vrf.id, IpPrefix::host(subnet.gateway), RouteSource::own,
                 RibEntry{RouteSource::own, owner, receive_});
  }
  if (before.router_mac == config.router_mac) return;
  tx.vrfs[vrf.id] = Vrf{config.router_mac, vrf.flows};
  for (const auto& [name, vif] : model_.vifs) {
    if (vif.vrf == vrf.id) publish_vif(tx, vif);
  }
}

void Resolver::remove_vrf(Transaction& tx, const std::string& name, Erased& erased) {
  const auto found = model_.vrfs.find(name);
  if (found == model_.vrfs.end()) return;
  const auto vrf = found->second;
  for (const auto& subnet : vrf.config.subnets) {
    change_route(tx, vrf.id, IpPrefix::host(subnet.gateway), RouteSource::own, std::nullopt);
  }
  delete_nexthop(tx, vrf.lookup);
  tx.later.batch.vrfs.push_back({vrf.id, std::nullopt});
  tx.later.release.emplace_back([this, id = vrf.id] { vrf_ids_.release(id); });
  erased.nexthops.push_back(vrf.lookup);
  erased.vrfs.push_back(vrf.id);
  tx.erase(model_.vrf_names, vrf.id);
  tx.erase(model_.vrfs, name);
}

Vif Resolver::forwarding_vif(const VifObject& vif) {
  const auto& config = vif.config;
  return {.port = vif.port,
          .vrf = vif.vrf,
          .mac = config.mac,
          .addresses = config.addresses,
          .anti_spoofing = config.anti_spoofing,
          .host = vif.host,
          .flows = config.flows && !vif.host,
          .policy = vif.policy.id,
          .mss_clamp = config.mss_clamp};
}

/// What the data plane knows of a VIF and its port; the VRF's router MAC stands in both.
void Resolver::publish_vif(Transaction& tx, const VifObject& vif) {
  const auto& config = vif.config;
  const auto& router_mac = model_.vrf(vif.vrf)->config.router_mac;
  const auto neighbour = config.addresses.empty() ? IpAddress{} : config.addresses.front();
  tx.ports[vif.port] = Port{router_mac, config.mtu_bytes, vif.id, vif.may_leave_checksums};
  tx.vifs[vif.id] = forwarding_vif(vif);
  tx.adjacencies[vif.adjacency] =
      Adjacency{vif.port, neighbour, router_mac, config.mac, config.mtu_bytes};
}

Status Resolver::put_vif(Transaction& tx, const VifConfig& config, Owner owner,
                         const Update& update) {
  const auto found = model_.vifs.find(config.name);
  if (found == model_.vifs.end()) {
    const auto opened = update.opened.find(config.name);
    if (opened == update.opened.end()) return Error{"vif " + config.name + ": has no device"};
    return add_vif(tx, config, opened->second, owner);
  }
  const auto vrf = model_.vrfs.find(config.vrf);
  if (vrf == model_.vrfs.end()) return Error{"vif " + config.name + ": no VRF " + config.vrf};
  auto vif = found->second;
  const auto stays = [&](const IpAddress& address) {
    return vif.config.vrf == config.vrf &&
           std::ranges::find(config.addresses, address) != config.addresses.end();
  };
  for (const auto& address : vif.config.addresses) {
    if (stays(address)) continue;
    change_route(tx, vif.vrf, IpPrefix::host(address), RouteSource::vif, std::nullopt);
  }
  const bool told = vif.config.vrf != config.vrf || vif.config.addresses != config.addresses ||
                    vif.config.anti_spoofing != config.anti_spoofing ||
                    vif.config.flows != config.flows || vif.config.mss_clamp != config.mss_clamp;
  vif.config = config;
  vif.vrf = vrf->second.id;
  vif.owner = owner;
  tx.put(model_.vifs, config.name, vif);
  if (told) publish_vif(tx, vif);
  for (const auto& address : config.addresses) {
    change_route(tx, vif.vrf, IpPrefix::host(address), RouteSource::vif,
                 RibEntry{RouteSource::vif, owner, vif.nexthop});
  }
  return ok();
}

void Resolver::remove_vif(Transaction& tx, const std::string& name, Erased& erased) {
  const auto found = model_.vifs.find(name);
  if (found == model_.vifs.end()) return;
  const auto vif = found->second;
  for (const auto& address : vif.config.addresses) {
    change_route(tx, vif.vrf, IpPrefix::host(address), RouteSource::vif, std::nullopt);
  }
  delete_nexthop(tx, vif.nexthop);
  delete_adjacency(tx, vif.adjacency);
  tx.later.batch.vifs.push_back({vif.id, std::nullopt});
  tx.later.batch.ports.push_back({vif.port, std::nullopt});
  tx.later.release.emplace_back([this, id = vif.id] { vif_ids_.release(id); });
  tx.later.close.push_back(vif.port);
  erased.nexthops.push_back(vif.nexthop);
  tx.erase(model_.vif_names, vif.id);
  tx.erase(model_.vifs, name);
}

void Resolver::remove_tunnel(Transaction& tx, const std::string& name, Erased& erased) {
  const auto found = model_.tunnels.find(name);
  if (found == model_.tunnels.end()) return;
  const auto tunnel = found->second;
  unpin(tx, tunnel.via);
  delete_nexthop(tx, tunnel.nexthop);
  erased.nexthops.push_back(tunnel.nexthop);
  tx.erase(model_.remotes, {tunnel.profile.remote, tunnel.nexthop});
  tx.erase(model_.tunnels, name);
}

void Resolver::remove_static_neighbour(Transaction& tx, const IpAddress& address) {
  for (const auto& [key, neighbour] : model_.static_neighbours) {
    if (key.address != address) continue;
    const auto gone = key;
    tx.on_commit([this, gone] { keeper_.remove_static(gone); });
    tx.erase(model_.static_neighbours, gone);
    return;
  }
}

}  // namespace weft::agent
