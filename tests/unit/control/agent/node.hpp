#pragma once
/// A node for the tests of the agent: its configuration, and its model on a fake forwarding plane.

#include <chrono>
#include <set>
#include <string>

#include "agent/clock.hpp"
#include "agent/model.hpp"
#include "agent/resolver.hpp"
#include "support/fake_plane.hpp"

namespace weft::agent::test {

using weft::test::FakePlane;

inline IpAddress ip(std::string_view text) { return *parse_ip(text); }
inline IpPrefix net(std::string_view text) { return *parse_prefix(text); }
inline MacAddress mac(std::string_view text) { return *parse_mac(text); }

inline TunnelConfig tunnel(const std::string& name, const char* local, const char* remote,
                           std::uint32_t vni) {
  TunnelConfig out;
  out.name = name;
  out.profile.local = ip(local);
  out.profile.remote = ip(remote);
  out.profile.vni = vni;
  out.profile.inner_destination_mac = mac("02:00:5e:00:01:01");
  return out;
}

inline RouteConfig route(const char* vrf, const char* prefix, const RouteTarget& via) {
  return {vrf, net(prefix), via};
}
inline RouteTarget via_tunnel(const std::string& name) { return {name, "", "", {}, false}; }
inline RouteTarget via_vif(const std::string& name) { return {"", name, "", {}, false}; }
inline RouteTarget via_vrf(const std::string& name) { return {"", "", name, {}, false}; }
inline RouteTarget via_gateway(const char* a) { return {"", "", "", {ip(a)}, false}; }
inline RouteTarget via_ecmp(std::vector<EcmpMember> ways) {
  return {"", "", "", {}, false, std::move(ways)};
}
inline RouteTarget discard() { return {"", "", "", {}, true}; }

/// Port fab0, VRFs blue and red (overlapping), vm1 and vm2 in blue, vm3 in red; to-b is a
/// neighbour's tunnel, to-far leads through the gateway.
inline Config sample_node() {
  Config c;
  c.node = {"a", {ip("192.0.2.1"), ip("2001:db8::1")}};
  c.ports.push_back({"fab0",
                     "af_packet:eth1",
                     {net("192.0.2.1/24"), net("2001:db8::1/64")},
                     {ip("192.0.2.254"), ip("2001:db8::fe")},
                     1500,
                     QueueSharing::shared});
  c.vrfs.push_back({"blue",
                    1,
                    mac("02:00:5e:00:01:01"),
                    {{net("10.1.0.0/24"), ip("10.1.0.1")}, {net("fd00:1::/64"), ip("fd00:1::1")}}});
  c.vrfs.push_back({"red", 2, mac("02:00:5e:00:01:02"), {{net("10.1.0.0/24"), ip("10.1.0.1")}}});
  c.vifs.push_back({"vm1",
                    "tap:vm1",
                    "blue",
                    mac("02:00:00:00:01:01"),
                    {ip("10.1.0.11"), ip("fd00:1::11")},
                    1450,
                    true});
  c.vifs.push_back(
      {"vm2", "tap:vm2", "blue", mac("02:00:00:00:01:02"), {ip("10.1.0.22")}, 1500, false});
  c.vifs.push_back(
      {"vm3", "tap:vm3", "red", mac("02:00:00:00:01:03"), {ip("10.1.0.11")}, 1500, true});
  c.tunnels.push_back(tunnel("to-b", "192.0.2.1", "192.0.2.2", 100));
  c.tunnels.push_back(tunnel("to-far", "192.0.2.1", "203.0.113.5", 101));
  DecapConfig decap;
  decap.name = "from-fabric";
  decap.vrf = "blue";
  decap.local = ip("192.0.2.1");
  decap.vni = 100;
  decap.sources = {net("192.0.2.0/25"), net("192.0.2.128/25")};
  c.decaps.push_back(std::move(decap));
  c.routes.push_back(route("blue", "10.1.0.12/32", via_tunnel("to-b")));
  c.routes.push_back(route("blue", "10.2.0.0/16", via_tunnel("to-far")));
  c.routes.push_back(route("blue", "10.9.0.0/16", discard()));
  return c;
}

/// The same with a second port, fab1, and a gateway on its link.
inline Config two_fabrics() {
  Config c = sample_node();
  c.ports.push_back({"fab1",
                     "af_packet:eth2",
                     {net("198.51.100.1/24")},
                     {ip("198.51.100.254")},
                     1500,
                     QueueSharing::shared});
  return c;
}

/// Devices as the fake plane opens them, in the order of the configuration.
inline Resolver::Devices open_all(FakePlane& plane, const Config& config) {
  Resolver::Devices devices;
  for (const auto& port : config.ports) {
    devices.ports.push_back(*plane.open_port({port.name, port.device, {}, port.mtu_bytes, false}));
    if (port.host.empty()) continue;
    devices.host =
        *plane.open_port({host_name, port.host, devices.ports.back().mac, port.mtu_bytes, false});
  }
  for (const auto& vif : config.vifs) {
    devices.vifs.push_back(*plane.open_port({vif.name, vif.device, vif.mac, vif.mtu_bytes, false}));
  }
  return devices;
}

struct FakeKeeper final : NeighbourKeeper {
  std::set<NeighbourKey> pinned;
  std::map<NeighbourKey, MacAddress> fixed;
  void pin(const NeighbourKey& key) override { pinned.insert(key); }
  void unpin(const NeighbourKey& key) override { pinned.erase(key); }
  void add_static(const NeighbourKey& key, const MacAddress& m) override { fixed[key] = m; }
  void remove_static(const NeighbourKey& key) override { fixed.erase(key); }
};

/// Keeps what it is to compile until a test answers.
struct FakeCompiler final : PolicyCompiler {
  std::vector<std::pair<PolicyId, std::shared_ptr<const VifRules>>> asked;
  std::string unclosable;  ///< not empty: why there is no closed policy
  Made closed() override {
    if (!unclosable.empty()) return Error{unclosable};
    return weft::test::fake_policy({});
  }
  void compile(PolicyId id, std::shared_ptr<const VifRules> rules) override {
    asked.emplace_back(id, std::move(rules));
  }
};

/// A loaded model.
struct Node {
  FakePlane plane;
  Model model;
  FakeKeeper keeper;
  FakeCompiler compiler;
  Resolver resolver{model, [this](const Batch& b) { return plane.apply(b); }, keeper, compiler};
  Time now{std::chrono::hours(1)};
  Clock clock = [this] { return now; };

  explicit Node(const Config& config = sample_node()) {
    const auto loaded = resolver.load(config, open_all(plane, config));
    if (!loaded) throw std::runtime_error(loaded.error().message);
  }

  [[nodiscard]] VrfId vrf(const char* name) const { return model.vrfs.find(name)->second.id; }
  [[nodiscard]] const VifObject& vif(const char* name) const {
    return model.vifs.find(name)->second;
  }
  [[nodiscard]] PortId port(const char* name) const { return model.ports.find(name)->second.id; }
  [[nodiscard]] NexthopId tunnel_nexthop(const char* name) const {
    return model.tunnels.find(name)->second.nexthop;
  }
  /// The adjacency by which a tunnel leaves; empty while there is none.
  [[nodiscard]] std::optional<Adjacency> tunnel_adjacency(const char* name) const {
    const auto id =
        std::get<nexthop::Tunnel>(plane.tables.nexthops.at(tunnel_nexthop(name))).adjacency;
    if (!id.valid()) return std::nullopt;
    return plane.tables.adjacencies.at(id);
  }
};

}  // namespace weft::agent::test
