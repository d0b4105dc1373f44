#include "agent/resolver.hpp"

#include <algorithm>

namespace weft::agent {

Result<Generation> Resolver::publish(Transaction& tx) {
  if (tx.exhausted) {
    return Error{"no identifier is free for another object: delete tunnels or routes first"};
  }
  if (const auto batch = tx.batch(); !batch.empty()) {
    auto applied = apply_(batch);
    if (!applied) return applied;
    generation_ = *applied;
  }
  if (!tx.later.batch.empty() || !tx.later.release.empty()) {
    deletions_.push_back({std::move(tx.later), std::nullopt});
  }
  tx.commit();
  return generation_;
}

Result<Generation> Resolver::load(const Config& config, const Devices& devices) {
  Update objects;
  const auto all = [](auto& changes, const auto& configs) {
    for (const auto& object : configs) changes.put.push_back({object, Owner::file});
  };
  all(objects.security_groups, config.security_groups);
  all(objects.vrfs, config.vrfs);
  all(objects.neighbours, config.neighbours);
  all(objects.vifs, config.vifs);
  all(objects.tunnels, config.tunnels);
  all(objects.decaps, config.decaps);
  all(objects.routes, config.routes);
  for (std::size_t i = 0; i < config.vifs.size(); ++i) {
    objects.opened.emplace(config.vifs[i].name, devices.vifs[i]);
  }
  if (devices.host) objects.opened.emplace(host_name, *devices.host);
  return load(config, devices.ports, objects);
}

Result<Generation> Resolver::load(const Config& config, std::span<const PortStatus> ports,
                                  const Update& objects) {
  Transaction tx;
  tx.on_undo([this] { model_.node = {}; });
  model_.node = config.node;
  discard_ = add_nexthop(tx, nexthop::Discard{}, {NexthopUse::Kind::discard, {}, {}});
  receive_ = add_nexthop(tx, nexthop::Receive{}, {NexthopUse::Kind::receive, {}, {}});

  VrfConfig underlay;
  underlay.name = underlay_name;
  const auto host = std::find_if(config.ports.begin(), config.ports.end(),
                                 [](const auto& port) { return !port.host.empty(); });
  if (host != config.ports.end()) underlay.router_mac = default_router_mac;
  add_vrf(tx, underlay, take(tx, vrf_ids_), Owner::file);
  for (std::size_t i = 0; i < config.ports.size(); ++i) add_port(tx, config.ports[i], ports[i]);
  add_default_routes(tx);
  if (host != config.ports.end()) add_host(tx, *host, objects.opened.at(host_name));
  refresh_local_addresses(tx);
  if (auto status = apply_update(tx, objects); !status) return status.error();
  if (auto status = refresh_policies(tx, objects); !status) return status.error();
  refresh_flows(tx);
  return publish(tx);
}

Result<Generation> Resolver::put_route(const RouteConfig& route, Owner owner) {
  Transaction tx;
  if (auto status = add_route(tx, route, owner); !status) return status.error();
  return publish(tx);
}

Result<Generation> Resolver::erase_route(const std::string& vrf, const IpPrefix& prefix) {
  Transaction tx;
  if (auto status = remove_route(tx, vrf, prefix); !status) return status.error();
  return publish(tx);
}

namespace {

bool was_told(const RibEntry& entry) {
  return entry.source == RouteSource::configured || entry.source == RouteSource::moved;
}

}  // namespace

Status Resolver::remove_route(Transaction& tx, const std::string& vrf, const IpPrefix& prefix) {
  const auto found = model_.vrfs.find(vrf);
  if (found == model_.vrfs.end()) return Error{"no VRF " + vrf};
  const auto id = found->second.id;
  const auto wanted = prefix.masked();
  const auto& slot = model_.ribs.at(id).at(wanted);
  const auto found_entry = std::find_if(slot.begin(), slot.end(), was_told);
  if (found_entry == slot.end()) {
    return Error{"no configured route " + to_string(wanted) + " in " + vrf};
  }
  const RibEntry old = *found_entry;
  leave_target(tx, old.nexthop);
  change_route(tx, id, wanted, old.source, std::nullopt);
  if (id == underlay_vrf) underlay_changed(tx, wanted);
  return ok();
}

Result<Generation> Resolver::put_tunnel(const TunnelConfig& tunnel, Owner owner) {
  Transaction tx;
  if (auto status = add_tunnel(tx, tunnel, owner); !status) return status.error();
  return publish(tx);
}

void Resolver::change_route(Transaction& tx, VrfId vrf, const IpPrefix& prefix, RouteSource source,
                            std::optional<RibEntry> entry) {
  auto& rib = model_.ribs.at(vrf);
  const auto& before = rib.at(prefix);
  auto slot = before;
  const auto same =
      std::find_if(slot.begin(), slot.end(), [&](const auto& e) { return e.source == source; });
  if (same != slot.end()) slot.erase(same);
  if (entry) {
    const auto behind =
        std::find_if(slot.begin(), slot.end(), [&](const auto& e) { return e.source > source; });
    slot.insert(behind, *entry);
  }
  if (slot == before) return;
  const auto best = [](const Rib::Slot& s) { return s.empty() ? NexthopId{} : s.front().nexthop; };
  if (best(slot) != best(before)) tx.routes[{vrf, prefix}] = best(slot);
  tx.replace(rib, prefix, std::move(slot));
}

NexthopId Resolver::add_nexthop(Transaction& tx, const Nexthop& nexthop, NexthopUse use) {
  const auto id = take(tx, nexthop_ids_);
  tx.nexthops[id] = nexthop;
  tx.put(model_.nexthops, id, std::move(use));
  return id;
}

void Resolver::add_vrf(Transaction& tx, const VrfConfig& config, VrfId id, Owner owner) {
  VrfObject vrf{config, id, {}, owner};
  vrf.lookup = add_nexthop(tx, nexthop::Lookup{id}, {NexthopUse::Kind::vrf, config.name, {}});
  tx.vrfs[id] = Vrf{config.router_mac, vrf.flows};
  tx.put(model_.ribs, id, {});
  tx.put(model_.vrf_names, id, config.name);
  tx.put(model_.vrfs, config.name, vrf);
  for (const auto& subnet : config.subnets) {
    change_route(tx, id, IpPrefix::host(subnet.gateway), RouteSource::own,
                 RibEntry{RouteSource::own, owner, receive_});
  }
}

Status Resolver::add_vif(Transaction& tx, const VifConfig& config, const PortStatus& status,
                         Owner owner) {
  const auto vrf = model_.vrfs.find(config.vrf);
  if (vrf == model_.vrfs.end()) return Error{"vif " + config.name + ": no VRF " + config.vrf};
  VifObject vif{config,
                take(tx, vif_ids_),
                status.id,
                vrf->second.id,
                {},
                take(tx, adjacency_ids_),
                status.may_leave_checksums,
                owner,
                false};
  publish_vif(tx, vif);
  vif.nexthop =
      add_nexthop(tx, nexthop::Interface{vif.adjacency}, {NexthopUse::Kind::vif, config.name, {}});
  tx.put(model_.vif_names, vif.id, config.name);
  tx.put(model_.vifs, config.name, vif);
  for (const auto& address : config.addresses) {
    change_route(tx, vif.vrf, IpPrefix::host(address), RouteSource::vif,
                 RibEntry{RouteSource::vif, owner, vif.nexthop});
  }
  return ok();
}

Status Resolver::add_route(Transaction& tx, const RouteConfig& route, Owner owner) {
  const auto vrf = model_.vrfs.find(route.vrf);
  if (vrf == model_.vrfs.end()) return Error{"no VRF " + route.vrf};
  const auto id = vrf->second.id;
  const auto prefix = route.prefix.masked();
  const auto what = to_string(prefix) + " in " + route.vrf;

  std::optional<NexthopId> old;
  for (const auto& entry : model_.ribs.at(id).at(prefix)) {
    if (entry.source == RouteSource::own) {
      return Error{what + " is an address of the router; route another prefix"};
    }
    if (entry.source == RouteSource::vif && route.beside_vif == BesideVif::no) {
      return Error{what + " is an address of vif " + model_.nexthops.at(entry.nexthop).name +
                   "; take it from the vif first"};
    }
    if (was_told(entry)) old = entry.nexthop;
  }
  const auto source =
      route.beside_vif == BesideVif::before ? RouteSource::moved : RouteSource::configured;
  const auto nexthop = target_nexthop(tx, route, old);
  if (!nexthop) return Error{"route " + what + ": " + nexthop.error().message};
  // A gateway is pinned once more by now; an ecmp next hop that serves on has one owner.
  const bool same_group = old == *nexthop && model_.ecmp_groups.contains(*nexthop);
  if (old && !same_group) leave_target(tx, *old);
  for (const auto other : {RouteSource::configured, RouteSource::moved}) {
    if (other != source) change_route(tx, id, prefix, other, std::nullopt);
  }
  change_route(tx, id, prefix, source, RibEntry{source, owner, *nexthop});
  if (id == underlay_vrf) underlay_changed(tx, prefix);
  return ok();
}

namespace {

template <class Objects, class Member>
Result<NexthopId> nexthop_of(const Objects& objects, const std::string& name, const char* kind,
                             Member member) {
  const auto found = objects.find(name);
  if (found == objects.end()) return Error{std::string("no ") + kind + " " + name};
  return found->second.*member;
}

}  // namespace

Result<NexthopId> Resolver::tunnel_nexthop(const std::string& name) const {
  return nexthop_of(model_.tunnels, name, "tunnel", &TunnelObject::nexthop);
}

Result<NexthopId> Resolver::vif_nexthop(const std::string& name) const {
  return nexthop_of(model_.vifs, name, "vif", &VifObject::nexthop);
}

Result<NexthopId> Resolver::target_nexthop(Transaction& tx, const RouteConfig& route,
                                           std::optional<NexthopId> old) {
  const auto& via = route.via;
  if (!via.tunnel.empty()) return tunnel_nexthop(via.tunnel);
  if (!via.vif.empty()) return vif_nexthop(via.vif);
  if (via.vrf == route.vrf) return Error{"it leads back into its own VRF"};
  if (!via.vrf.empty()) return nexthop_of(model_.vrfs, via.vrf, "vrf", &VrfObject::lookup);
  if (!via.ecmp.empty()) return ecmp_nexthop(tx, via.ecmp, old);
  if (!via.gateways.empty()) return gateways_nexthop(tx, route);
  if (via.discard) return discard_;
  return Error{"it leads nowhere: give a tunnel, vif, vrf, ecmp, gateway or discard"};
}

}  // namespace weft::agent
