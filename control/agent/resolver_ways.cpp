/// The resolver's neighbours as ways out: who rests on them, and how several share packets.

#include <algorithm>
#include <limits>

#include "agent/ecmp_buckets.hpp"
#include "agent/resolver.hpp"

namespace weft::agent {

namespace {

Ways in_order(Ways ways) {
  std::ranges::sort(ways);
  ways.erase(std::unique(ways.begin(), ways.end()), ways.end());
  return ways;
}

}  // namespace

Result<NexthopId> Resolver::gateways_nexthop(Transaction& tx, const RouteConfig& route) {
  if (route.vrf != underlay_name) {
    return Error{std::string("a gateway serves only routes of the VRF ") + underlay_name};
  }
  Ways ways;
  for (const auto& gateway : route.via.gateways) {
    if (gateway.family() != route.prefix.address.family()) {
      return Error{"gateway " + to_string(gateway) + " is of the other family"};
    }
    const auto neighbour = gateway_neighbour(gateway);
    if (!neighbour) return neighbour.error();
    ways.push_back(*neighbour);
  }
  return pin_gateways(tx, in_order(std::move(ways))).nexthop;
}

void Resolver::add_default_routes(Transaction& tx) {
  for (const auto& any : {IpAddress{Ipv4Address{}}, IpAddress{Ipv6Address{}}}) {
    Ways ways;
    for (const auto& [name, port] : model_.ports) {
      for (const auto& gateway : port.config.gateways) {
        if (gateway.family() == any.family()) ways.push_back({port.id, gateway});
      }
    }
    if (ways.empty()) continue;
    const auto exit = pin_gateways(tx, in_order(std::move(ways)));
    change_route(tx, underlay_vrf, {any, 0}, RouteSource::gateway,
                 RibEntry{RouteSource::gateway, Owner::file, exit.nexthop});
  }
}

AdjacencyObject Resolver::pin(Transaction& tx, const NeighbourKey& key) {
  auto a = adjacency(tx, key);
  if (a.pins++ == 0) {
    tx.on_commit([this, key] { keeper_.pin(key); });
  }
  tx.put(model_.adjacencies, key, a);
  return a;
}

void Resolver::unpin(Transaction& tx, const NeighbourKey& key) {
  auto a = model_.adjacencies.at(key);
  if (--a.pins == 0) {
    tx.on_commit([this, key] { keeper_.unpin(key); });
  }
  tx.put(model_.adjacencies, key, a);
}

Resolver::Exit Resolver::exit_to(const Ways& ways) const {
  if (ways.size() == 1) {
    const auto& a = model_.adjacencies.at(ways.front());
    return {a.id, a.nexthop};
  }
  const auto& several = model_.ways.at(ways);
  return {several.id, several.nexthop};
}

Resolver::Exit Resolver::pin(Transaction& tx, const Ways& ways) {
  if (ways.size() == 1) {
    const auto a = pin(tx, ways.front());
    return {a.id, a.nexthop};
  }
  WaysObject several;
  if (const auto found = model_.ways.find(ways); found != model_.ways.end()) {
    several = found->second;
  } else {
    for (const auto& key : ways) pin(tx, key);
    several.id = take(tx, adjacency_ids_);
    publish_ways(tx, ways, several.id);
    several.nexthop =
        add_nexthop(tx, nexthop::Interface{several.id}, {NexthopUse::Kind::ways, {}, {}, ways});
  }
  ++several.pins;
  tx.put(model_.ways, ways, several);
  return {several.id, several.nexthop};
}

void Resolver::unpin(Transaction& tx, const Ways& ways) {
  if (ways.empty()) return;
  if (ways.size() == 1) return unpin(tx, ways.front());
  auto several = model_.ways.at(ways);
  if (--several.pins != 0) {
    tx.put(model_.ways, ways, several);
    return;
  }
  for (const auto& key : ways) unpin(tx, key);
  delete_nexthop(tx, several.nexthop);
  delete_adjacency(tx, several.id);
  tx.erase(model_.nexthops, several.nexthop);
  tx.erase(model_.ways, ways);
}

Resolver::Exit Resolver::pin_gateways(Transaction& tx, const Ways& ways) {
  const auto exit = pin(tx, ways);
  for (const auto& key : ways) {
    auto a = model_.adjacencies.at(key);
    if (a.gateways++ == 0 && model_.port(key.port)->config.bfd) a.alive = false;
    put_adjacency(tx, key, a);
  }
  return exit;
}

void Resolver::unpin_gateways(Transaction& tx, const Ways& ways) {
  for (const auto& key : ways) {
    auto a = model_.adjacencies.at(key);
    if (--a.gateways == 0) a.alive = true;
    put_adjacency(tx, key, a);
  }
  unpin(tx, ways);
}

/// Each neighbour has its buckets for good; of those that cannot be used the others share them for
/// as long. So no flow moves but those of who is lost, and they move back. Where nobody can be used
/// packets go by all: some may get there, and others wait for the neighbour's answer.
void Resolver::publish_ways(Transaction& tx, const Ways& ways, AdjacencyId id) {
  std::vector<AdjacencyId> all;
  std::vector<AdjacencyId> usable;
  Adjacency shared;
  shared.mtu_bytes = std::numeric_limits<std::uint16_t>::max();
  for (const auto& key : ways) {
    const auto& a = model_.adjacencies.at(key);
    all.push_back(a.id);
    if (a.usable()) usable.push_back(a.id);
    shared.mtu_bytes = std::min(shared.mtu_bytes, model_.port(key.port)->mtu_bytes);
  }
  shared.buckets = lay_over_buckets(std::vector<AdjacencyId>(way_bucket_count), all);
  if (!usable.empty()) shared.buckets = lay_over_buckets(std::move(shared.buckets), usable);
  tx.adjacencies[id] = std::move(shared);
}

void Resolver::put_adjacency(Transaction& tx, const NeighbourKey& key, const AdjacencyObject& a) {
  const bool was_usable = model_.adjacencies.at(key).usable();
  tx.put(model_.adjacencies, key, a);
  if (a.usable() == was_usable) return;
  for (const auto& [ways, several] : model_.ways) {
    if (std::ranges::find(ways, key) != ways.end()) publish_ways(tx, ways, several.id);
  }
}

Result<Generation> Resolver::put_alive(const NeighbourKey& key, bool alive) {
  const auto found = model_.adjacencies.find(key);
  if (found == model_.adjacencies.end() || found->second.gateways == 0) return generation_;
  Transaction tx;
  auto a = found->second;
  a.alive = alive;
  put_adjacency(tx, key, a);
  return publish(tx);
}

Result<Generation> Resolver::put_link(PortId port, bool up) {
  Transaction tx;
  auto object = *model_.port(port);
  object.link_up = up;
  tx.put(model_.ports, object.config.name, object);
  for (auto& [key, there] : model_.adjacencies) {
    if (key.port != port || there.link_up == up) continue;
    auto a = there;
    a.link_up = up;
    put_adjacency(tx, key, a);
  }
  return publish(tx);
}

}  // namespace weft::agent
