/// The resolver's underlay: ports, neighbours, and the way that tunnels take to their remotes.

#include <algorithm>

#include "agent/address_rules.hpp"
#include "agent/resolver.hpp"

namespace weft::agent {

void Resolver::add_port(Transaction& tx, const PortConfig& config, const PortStatus& status) {
  PortObject port{config, status.id, status.mac, config.mtu_bytes, {}, {}, Owner::file};
  port.link_up = status.link_up;
  if (status.mtu_bytes != 0) port.mtu_bytes = std::min(config.mtu_bytes, status.mtu_bytes);
  const auto ipv6 = [](const IpAddress& a) { return !a.is_v4(); };
  if (std::any_of(config.gateways.begin(), config.gateways.end(), ipv6) ||
      std::any_of(config.addresses.begin(), config.addresses.end(),
                  [&](const auto& own) { return ipv6(own.address); })) {
    port.link_local = link_local_address(status.mac);
  }
  tx.ports[port.id] =
      Port{port.mac, port.mtu_bytes, {}, status.may_leave_checksums, config.bfd.has_value()};
  port.glean = add_nexthop(tx, nexthop::Glean{port.id},
                           {NexthopUse::Kind::connected, config.name, {port.id, {}}});
  tx.put(model_.port_names, port.id, config.name);
  tx.put(model_.ports, config.name, port);

  // Of several ports in one subnet the first one serves.
  const auto add = [&](const IpPrefix& prefix, RouteSource source, NexthopId nexthop) {
    const auto& slot = model_.ribs.at(underlay_vrf).at(prefix);
    if (std::any_of(slot.begin(), slot.end(), [&](const auto& e) { return e.source == source; })) {
      return;
    }
    change_route(tx, underlay_vrf, prefix, source, RibEntry{source, Owner::file, nexthop});
  };
  for (const auto& own : config.addresses) {
    add(IpPrefix::host(own.address), RouteSource::own, receive_);
    if (own.length < own.address.width_bits()) {
      add(own.masked(), RouteSource::connected, port.glean);
    }
  }
}

void Resolver::add_host(Transaction& tx, const PortConfig& port, const PortStatus& tap) {
  VifObject host;
  host.config = {.name = host_name,
                 .device = port.host,
                 .vrf = underlay_name,
                 .mac = model_.ports.at(port.name).mac,
                 .addresses = {},
                 .mtu_bytes = tap.mtu_bytes};
  for (const auto& own : port.addresses) host.config.addresses.push_back(own.address);
  host.id = take(tx, vif_ids_);
  host.port = tap.id;
  host.vrf = underlay_vrf;
  host.adjacency = take(tx, adjacency_ids_);
  host.may_leave_checksums = tap.may_leave_checksums;
  host.host = true;
  publish_vif(tx, host);
  host.nexthop =
      add_nexthop(tx, nexthop::Receive{host.adjacency}, {NexthopUse::Kind::receive, host_name, {}});
  tx.put(model_.vif_names, host.id, host_name);
  tx.put(model_.vifs, host_name, host);
  for (const auto& address : host.config.addresses) {
    change_route(tx, underlay_vrf, IpPrefix::host(address), RouteSource::own,
                 RibEntry{RouteSource::own, Owner::file, host.nexthop});
  }
}

NexthopId Resolver::receiver(const IpAddress& address) const {
  const auto host = model_.vifs.find(host_name);
  if (host == model_.vifs.end()) return receive_;
  const auto& its = host->second.config.addresses;
  return std::find(its.begin(), its.end(), address) == its.end() ? receive_ : host->second.nexthop;
}

void Resolver::refresh_local_addresses(Transaction& tx) {
  std::set<IpAddress> own(model_.node.tunnel_addresses.begin(), model_.node.tunnel_addresses.end());
  for (const auto& [key, entry] : model_.decap_entries) {
    if (!describe(key.kind).on_ethernet) own.insert(key.local);
  }
  std::set<IpAddress> of_ports;
  std::set<IpAddress> all = own;
  for (const auto& [name, port] : model_.ports) {
    for (const auto& address : port.config.addresses) of_ports.insert(address.address);
    if (port.link_local) all.insert(*port.link_local);
  }
  all.insert(of_ports.begin(), of_ports.end());

  const auto change = [&](const IpAddress& address, std::optional<RibEntry> entry) {
    change_route(tx, underlay_vrf, IpPrefix::host(address), RouteSource::own, entry);
    underlay_changed(tx, IpPrefix::host(address));
  };
  const auto before = model_.local_addresses;
  for (const auto& address : before) {
    if (own.contains(address)) continue;
    if (!of_ports.contains(address)) change(address, std::nullopt);
    tx.erase(model_.local_addresses, address);
  }
  for (const auto& address : own) {
    if (before.contains(address)) continue;
    change(address, RibEntry{RouteSource::own, Owner::file, receiver(address)});
    tx.insert(model_.local_addresses, address);
  }
  if (before != own || before.empty()) tx.local_addresses = {{all.begin(), all.end()}};
}

Status Resolver::add_static_neighbour(Transaction& tx, const NeighbourConfig& config, Owner owner) {
  const auto port = model_.ports.find(config.port);
  if (port == model_.ports.end()) {
    return Error{"neighbour " + to_string(config.address) + ": no port " + config.port};
  }
  const NeighbourKey key{port->second.id, config.address};
  set_mac(tx, key, config.mac);
  tx.put(model_.static_neighbours, key, StaticNeighbour{config, owner});
  tx.on_commit([this, key, mac = config.mac] { keeper_.add_static(key, mac); });
  return ok();
}

Result<NeighbourKey> Resolver::gateway_neighbour(const IpAddress& gateway) const {
  const auto match = model_.ribs.at(underlay_vrf).match(gateway, RouteSource::neighbour);
  if (match && match->entry.source == RouteSource::connected) {
    return NeighbourKey{model_.nexthops.at(match->entry.nexthop).neighbour.port, gateway};
  }
  return Error{"gateway " + to_string(gateway) +
               " is no neighbour: it must lie in a port's subnet"};
}

AdjacencyObject Resolver::adjacency(Transaction& tx, const NeighbourKey& key) {
  if (const auto found = model_.adjacencies.find(key); found != model_.adjacencies.end()) {
    return found->second;
  }
  AdjacencyObject a;
  a.id = take(tx, adjacency_ids_);
  a.link_up = model_.port(key.port)->link_up;
  publish_adjacency(tx, key, a);
  a.nexthop = add_nexthop(tx, nexthop::Interface{a.id},
                          {NexthopUse::Kind::neighbour, model_.port_names.at(key.port), key});
  tx.put(model_.adjacencies, key, a);
  refresh_host_route(tx, key);
  return a;
}

void Resolver::publish_adjacency(Transaction& tx, const NeighbourKey& key,
                                 const AdjacencyObject& a) {
  const auto* port = model_.port(key.port);
  tx.adjacencies[a.id] = Adjacency{key.port, key.address, port->mac, a.mac, port->mtu_bytes};
}

void Resolver::set_mac(Transaction& tx, const NeighbourKey& key, std::optional<MacAddress> mac) {
  auto a = adjacency(tx, key);
  if (a.mac == mac) return;
  a.mac = mac;
  publish_adjacency(tx, key, a);
  put_adjacency(tx, key, a);
}

Result<Generation> Resolver::put_neighbour(const NeighbourKey& key, std::optional<MacAddress> mac) {
  if (!model_.port(key.port))
    return Error{"neighbour " + to_string(key.address) + ": no such port"};
  Transaction tx;
  set_mac(tx, key, mac);
  return publish(tx);
}

Result<Generation> Resolver::erase_neighbour(const NeighbourKey& key) {
  const auto found = model_.adjacencies.find(key);
  if (found == model_.adjacencies.end() || found->second.pins != 0) return generation_;
  const auto a = found->second;
  Transaction tx;
  change_route(tx, underlay_vrf, IpPrefix::host(key.address), RouteSource::neighbour, std::nullopt);
  delete_nexthop(tx, a.nexthop);
  delete_adjacency(tx, a.id);
  tx.erase(model_.nexthops, a.nexthop);
  tx.erase(model_.adjacencies, key);
  return publish(tx);
}

void Resolver::refresh_host_route(Transaction& tx, const NeighbourKey& key) {
  if (is_link_local(key.address)) return;
  const auto direct = underlay_next(key.address) == Ways{key};
  std::optional<RibEntry> entry;
  if (direct) {
    entry = RibEntry{RouteSource::neighbour, Owner::file, model_.adjacencies.at(key).nexthop};
  }
  change_route(tx, underlay_vrf, IpPrefix::host(key.address), RouteSource::neighbour, entry);
}

Ways Resolver::underlay_next(const IpAddress& address) const {
  // Host routes of neighbours follow from the others, so they decide nothing.
  const auto match = model_.ribs.at(underlay_vrf).match(address, RouteSource::neighbour);
  if (!match) return {};
  const auto& use = model_.nexthops.at(match->entry.nexthop);
  if (use.kind == NexthopUse::Kind::connected) return {{use.neighbour.port, address}};
  if (use.kind == NexthopUse::Kind::neighbour) return {use.neighbour};
  return use.ways;
}

Status Resolver::add_tunnel(Transaction& tx, const TunnelConfig& config, Owner owner) {
  const auto& profile = config.profile;
  if (profile.local.family() != profile.remote.family()) {
    return Error{"tunnel " + config.name + ": the node has no tunnel address of the family of " +
                 to_string(profile.remote)};
  }
  TunnelObject tunnel;
  if (const auto found = model_.tunnels.find(config.name); found != model_.tunnels.end()) {
    tunnel = found->second;
    tx.erase(model_.remotes, {tunnel.profile.remote, tunnel.nexthop});
  } else {
    tunnel.nexthop =
        add_nexthop(tx, nexthop::Tunnel{profile, {}}, {NexthopUse::Kind::tunnel, config.name, {}});
  }
  const bool changed = tunnel.profile != profile;
  if (changed) tunnel.path = {};
  tunnel.profile = profile;
  tunnel.owner = owner;
  tx.insert(model_.remotes, {profile.remote, tunnel.nexthop});
  if (changed) tx.nexthops[tunnel.nexthop] = nexthop::Tunnel{profile, {}};
  settle_tunnel(tx, config.name, tunnel);
  return ok();
}

void Resolver::settle_tunnel(Transaction& tx, const std::string& name, TunnelObject tunnel) {
  const auto via = underlay_next(tunnel.profile.remote);
  const auto old = std::exchange(tunnel.via, via);
  AdjacencyId adjacency_id;
  if (!via.empty()) adjacency_id = (via == old ? exit_to(via) : pin(tx, via)).adjacency;
  if (via != old) unpin(tx, old);
  // A profile that changed has put its next hop here already, still without a way.
  if (via != old || tx.nexthops.contains(tunnel.nexthop)) {
    tx.nexthops[tunnel.nexthop] = forwarding_tunnel(tunnel, adjacency_id);
  }
  tx.put(model_.tunnels, name, tunnel);
}

nexthop::Tunnel Resolver::forwarding_tunnel(const TunnelObject& tunnel, AdjacencyId adjacency) {
  return {tunnel.profile, adjacency, tunnel.path.mtu_bytes, tunnel.path.watch_bytes};
}

Result<Generation> Resolver::put_paths(const std::vector<std::string>& names,
                                       const TunnelPath& path) {
  Transaction tx;
  for (const auto& name : names) {
    const auto found = model_.tunnels.find(name);
    if (found == model_.tunnels.end()) continue;
    TunnelObject tunnel = found->second;
    tunnel.path = path;
    const AdjacencyId adjacency_id =
        tunnel.via.empty() ? AdjacencyId{} : exit_to(tunnel.via).adjacency;
    tx.nexthops[tunnel.nexthop] = forwarding_tunnel(tunnel, adjacency_id);
    tx.put(model_.tunnels, name, tunnel);
  }
  return publish(tx);
}

void Resolver::underlay_changed(Transaction& tx, const IpPrefix& prefix) {
  for (const auto& [key, a] : model_.adjacencies) {
    if (prefix.contains(key.address)) refresh_host_route(tx, key);
  }
  // The set itself stays as it is while tunnels settle.
  auto at = model_.remotes.lower_bound({prefix.masked().address, NexthopId(0)});
  for (; at != model_.remotes.end() && prefix.contains(at->first); ++at) {
    const auto& name = model_.nexthops.at(at->second).name;
    const auto& tunnel = model_.tunnels.find(name)->second;
    if (underlay_next(tunnel.profile.remote) != tunnel.via) settle_tunnel(tx, name, tunnel);
  }
}

}  // namespace weft::agent
