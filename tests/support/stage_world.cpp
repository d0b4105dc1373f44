#include "support/stage_world.hpp"

namespace weft::test::world {
namespace {

const MacAddress blue_router = mac("02:00:5e:00:01:01");
const MacAddress red_router = mac("02:00:5e:00:02:01");
const MacAddress fabric_mac = mac("02:00:00:00:0f:01");

struct Vm {
  PortId port;
  VrfId vrf;
  MacAddress mac;
  std::vector<IpAddress> addresses;
  MacAddress router;
};

const std::vector<Vm>& vms() {
  static const std::vector<Vm> all{
      {vm1, blue, mac("02:00:00:00:01:01"), {ip("10.1.0.11"), ip("fd00:1::11")}, blue_router},
      {vm2, red, mac("02:00:00:00:02:01"), {ip("10.1.0.11"), ip("fd00:1::11")}, red_router},
      {vm3, blue, mac("02:00:00:00:01:03"), {ip("10.1.0.13"), ip("fd00:1::13")}, blue_router},
      {vm4, blue, mac("02:00:00:00:01:04"), {ip("10.1.0.14"), ip("fd00:1::14")}, blue_router},
      {trusted, blue, mac("02:00:00:00:01:05"), {}, blue_router}};
  return all;
}

void add_ports(Batch& b) {
  Port port;
  port.mac = fabric_mac;
  b.ports.push_back({fabric, port});
  for (const Vm& vm : vms()) {
    const VifId vif(vm.port.index());
    port = Port{};
    port.mac = mac("02:00:00:00:0e:01");
    port.vif = vif;
    port.may_leave_checksums = vm.port == vm4;
    b.ports.push_back({vm.port, port});
    Vif value;
    value.port = vm.port;
    value.vrf = vm.vrf;
    value.mac = vm.mac;
    value.addresses = vm.addresses;
    value.anti_spoofing = vm.port != trusted;
    b.vifs.push_back({vif, value});
    Adjacency adjacency;
    adjacency.port = vm.port;
    adjacency.neighbour = vm.addresses.empty() ? ip("10.1.0.15") : vm.addresses.front();
    adjacency.source = vm.router;
    adjacency.destination = vm.mac;
    if (vm.port == trusted) continue;
    b.adjacencies.push_back({AdjacencyId(vm.port.index()), adjacency});
    b.nexthops.push_back(
        {NexthopId(vm.port.index()), nexthop::Interface{AdjacencyId(vm.port.index())}});
  }
  b.adjacencies.push_back({to_peer, adjacency_on(fabric, "192.0.2.2", mac("02:00:00:00:0f:02"))});
  b.adjacencies.push_back({to_silent, adjacency_on(fabric, "192.0.2.77", std::nullopt)});
  b.adjacencies.push_back(
      {to_peer6, adjacency_on(fabric, "2001:db8::2", mac("02:00:00:00:0f:06"))});
}

void add_nexthops(Batch& b) {
  const auto tunnel = [](std::string_view local, std::string_view remote, std::uint32_t vni,
                         std::string_view inner, AdjacencyId adjacency) {
    nexthop::Tunnel t;
    t.profile.local = ip(local);
    t.profile.remote = ip(remote);
    t.profile.vni = vni;
    t.profile.source_ports = {50000, 50000};
    t.profile.inner_destination_mac = mac(inner);
    t.adjacency = adjacency;
    return t;
  };
  const auto far = "02:00:5e:00:01:02";
  nexthop::Tunnel zero = tunnel("2001:db8::1", "2001:db8::2", 100, far, to_peer6);
  zero.profile.zero_udp_checksum6 = true;
  b.nexthops.insert(
      b.nexthops.end(),
      {{lookup_blue, nexthop::Lookup{blue}},
       {lookup_red, nexthop::Lookup{red}},
       {lookup_underlay, nexthop::Lookup{underlay}},
       {tunnel4, tunnel("192.0.2.1", "192.0.2.2", 100, far, to_peer)},
       {tunnel6, tunnel("2001:db8::1", "2001:db8::2", 100, far, to_peer6)},
       {tunnel6_zero, zero},
       {tunnel_red, tunnel("192.0.2.1", "192.0.2.2", 200, "02:00:5e:00:02:02", to_peer)},
       {tunnel_silent, tunnel("192.0.2.1", "192.0.2.77", 100, far, to_silent)},
       {tunnel_unresolved, tunnel("192.0.2.1", "203.0.113.1", 100, far, AdjacencyId{})},
       {receive, nexthop::Receive{}},
       {discard, nexthop::Discard{}},
       {glean, nexthop::Glean{fabric}},
       {via_silent, nexthop::Interface{to_silent}},
       {via_peer, nexthop::Interface{to_peer}}});
}

void add_decaps(Batch& b) {
  const auto decap = [](std::string_view local, std::uint32_t vni, NexthopId nexthop,
                        std::string_view source) {
    Decap d;
    d.local = ip(local);
    d.vni = vni;
    d.sources = {prefix(source)};
    d.nexthop = nexthop;
    return d;
  };
  Decap unchecked = decap("2001:db8::1", 102, lookup_blue, "2001:db8::/64");
  unchecked.zero_udp_checksum6 = true;
  Decap other_port = decap("192.0.2.1", 100, lookup_red, "192.0.2.0/24");
  other_port.destination_port = 8472;
  b.decaps = {{decap_blue, decap("192.0.2.1", 100, lookup_blue, "192.0.2.0/24")},
              {decap_red, decap("192.0.2.1", 200, lookup_red, "192.0.2.0/24")},
              {decap_vm1, decap("192.0.2.1", 101, deliver_vm1, "192.0.2.0/24")},
              {decap_blue6, decap("2001:db8::1", 100, lookup_blue, "2001:db8::/64")},
              {decap_unchecked6, unchecked},
              {decap_nested, decap("192.0.2.1", 300, lookup_underlay, "192.0.2.0/24")},
              {decap_other_port, other_port}};
}

void add_routes(Batch& b) {
  const auto route = [&b](VrfId vrf, std::string_view to, NexthopId nexthop) {
    b.routes.push_back({vrf, prefix(to), nexthop});
  };
  route(blue, "10.1.0.1/32", receive);
  route(blue, "10.1.0.11/32", deliver_vm1);
  route(blue, "10.1.0.13/32", deliver_vm3);
  route(blue, "10.1.0.14/32", deliver_vm4);
  route(blue, "10.1.0.12/32", tunnel4);
  route(blue, "10.1.1.0/24", tunnel6);
  route(blue, "10.1.2.0/24", tunnel6_zero);
  route(blue, "10.5.0.0/16", glean);
  route(blue, "10.6.0.0/16", via_silent);
  route(blue, "10.7.0.0/16", tunnel_unresolved);
  route(blue, "10.8.0.0/16", tunnel_silent);
  route(blue, "10.9.0.0/16", discard);
  route(blue, "fd00:1::1/128", receive);
  route(blue, "fd00:1::11/128", deliver_vm1);
  route(blue, "fd00:1::13/128", deliver_vm3);
  route(blue, "fd00:1::12/128", tunnel4);
  route(blue, "fd00:2::/32", tunnel6);
  route(blue, "fd00:5::/32", glean);
  route(blue, "fd00:9::/32", discard);
  route(red, "10.1.0.11/32", deliver_vm2);
  route(red, "10.1.0.12/32", tunnel_red);
  route(underlay, "192.0.2.0/24", glean);
  route(underlay, "192.0.2.1/32", receive);
  route(underlay, "192.0.2.2/32", via_peer);
  route(underlay, "198.51.100.0/24", via_peer);
  route(underlay, "2001:db8::1/128", receive);
}

}  // namespace

Batch batch() {
  Batch b;
  b.vrfs = {
      {underlay, Vrf{mac("02:00:5e:00:00:01")}}, {blue, Vrf{blue_router}}, {red, Vrf{red_router}}};
  add_ports(b);
  add_nexthops(b);
  add_decaps(b);
  add_routes(b);
  b.local_addresses = LocalAddresses{{ip("192.0.2.1"), ip("2001:db8::1")}};
  return b;
}

}  // namespace weft::test::world
