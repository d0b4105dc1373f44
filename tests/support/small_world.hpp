#pragma once
/// A forwarding state of one of each kind of object, for tests of the tables.

#include "support/words.hpp"
#include "tables/forwarding_state.hpp"

namespace weft::test {

inline nexthop::Tunnel tunnel_to(std::string_view remote, std::uint32_t vni,
                                 AdjacencyId adjacency) {
  nexthop::Tunnel tunnel;
  tunnel.profile.local = ip("192.0.2.1");
  tunnel.profile.remote = ip(remote);
  tunnel.profile.vni = vni;
  tunnel.adjacency = adjacency;
  return tunnel;
}

inline Decap decap_of(std::uint32_t vni, NexthopId nexthop, std::uint16_t port = 4789) {
  Decap decap;
  decap.local = ip("192.0.2.1");
  decap.destination_port = port;
  decap.vni = vni;
  decap.sources = {prefix("192.0.2.0/24")};
  decap.nexthop = nexthop;
  return decap;
}

inline Adjacency adjacency_on(PortId port, std::string_view neighbour,
                              std::optional<MacAddress> destination) {
  Adjacency adjacency;
  adjacency.port = port;
  adjacency.neighbour = ip(neighbour);
  adjacency.source = mac("02:00:00:00:0f:01");
  adjacency.destination = destination;
  return adjacency;
}

/// VRF 0 and 1; port 0 to the fabric, port 1 of VIF 1 in VRF 1; adjacency 0 on the fabric and 1 to
/// the VIF; next hops 1 (interface), 2 (tunnel), 3 (look up in VRF 1), 4 (glean), 5 (discard);
/// decap 1 of VNI 100; routes of both families.
inline Batch small_world() {
  Batch batch;
  batch.vrfs = {{VrfId(0), Vrf{mac("02:00:5e:00:00:01")}},
                {VrfId(1), Vrf{mac("02:00:5e:00:01:01")}}};
  Port fabric;
  fabric.mac = mac("02:00:00:00:0f:01");
  Port vif_port;
  vif_port.mac = mac("02:00:00:00:0f:02");
  vif_port.vif = VifId(1);
  batch.ports = {{PortId(0), fabric}, {PortId(1), vif_port}};
  Vif vif;
  vif.port = PortId(1);
  vif.vrf = VrfId(1);
  vif.mac = mac("02:00:00:00:01:01");
  vif.addresses = {ip("10.1.0.11"), ip("fd00:1::11")};
  batch.vifs = {{VifId(1), vif}};
  batch.adjacencies = {
      {AdjacencyId(0), adjacency_on(PortId(0), "192.0.2.2", mac("02:00:00:00:0f:02"))},
      {AdjacencyId(1), adjacency_on(PortId(1), "10.1.0.11", vif.mac)}};
  batch.nexthops = {{NexthopId(1), nexthop::Interface{AdjacencyId(1)}},
                    {NexthopId(2), tunnel_to("192.0.2.2", 100, AdjacencyId(0))},
                    {NexthopId(3), nexthop::Lookup{VrfId(1)}},
                    {NexthopId(4), nexthop::Glean{PortId(0)}},
                    {NexthopId(5), nexthop::Discard{}}};
  batch.decaps = {{DecapId(1), decap_of(100, NexthopId(3))}};
  batch.routes = {{VrfId(1), prefix("10.1.0.11/32"), NexthopId(1)},
                  {VrfId(1), prefix("10.1.0.0/16"), NexthopId(2)},
                  {VrfId(1), prefix("0.0.0.0/0"), NexthopId(5)},
                  {VrfId(1), prefix("fd00:1::11/128"), NexthopId(1)},
                  {VrfId(1), prefix("fd00:1::/64"), NexthopId(2)},
                  {VrfId(0), prefix("192.0.2.0/24"), NexthopId(4)}};
  batch.local_addresses = LocalAddresses{{ip("192.0.2.1"), ip("2001:db8::1")}};
  return batch;
}

/// The batch that takes all of it away.
inline Batch without(const Batch& batch) {
  Batch gone = batch;
  for (auto& change : gone.ports) change.object.reset();
  for (auto& change : gone.vrfs) change.object.reset();
  for (auto& change : gone.vifs) change.object.reset();
  for (auto& change : gone.adjacencies) change.object.reset();
  for (auto& change : gone.nexthops) change.object.reset();
  for (auto& change : gone.decaps) change.object.reset();
  for (auto& route : gone.routes) route.nexthop = {};
  if (gone.local_addresses) gone.local_addresses = LocalAddresses{};
  return gone;
}

/// What a route lookup answers: an index of a next hop or fib::no_route.
inline std::uint32_t lookup(const Tables& tables, VrfId vrf, std::string_view address) {
  const VrfEntry* entry = tables.vrfs.get(vrf);
  if (entry == nullptr) return fib::no_route;
  const IpAddress a = ip(address);
  return a.is_v4() ? entry->fib4->lookup(fib::key_of(a.v4()))
                   : entry->fib6->lookup(fib::key_of(a.v6()));
}

}  // namespace weft::test
