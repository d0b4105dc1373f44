#include "controller/profile.hpp"

#include <algorithm>
#include <functional>

#include "agent/aggregate.hpp"
#include "controller/fnv.hpp"

namespace weft::controller {
namespace {

constexpr std::size_t longest_name = 63;

/// NETWORK.REST, or as much of it as a name may have and a hash of all (FNV-1a).
std::string made_name(const std::string& network, const std::string& rest) {
  std::string name = network + "." + rest;
  if (name.size() <= longest_name) return name;
  char digits[18];
  std::snprintf(digits, sizeof digits, "-%016llx",
                static_cast<unsigned long long>(fnv1a<std::uint64_t>(name)));
  return name.substr(0, longest_name - 17) + digits;
}

Json vrf_json(const ProfileTerms& terms) {
  agent::VrfConfig vrf;
  vrf.name = terms.network.name;
  vrf.id = terms.numbers.id;
  vrf.router_mac = terms.network.router_mac;
  vrf.subnets = terms.network.subnets;
  vrf.security_groups = terms.network.security_groups;
  return agent::object_json(vrf, {});
}

Json decap_json(const ProfileTerms& terms, const Entrance& decap,
                const std::set<IpAddress>& senders, const std::vector<IpPrefix>& underlay) {
  agent::DecapConfig out;
  const auto& info = describe(decap.kind);
  out.name = decap_name(terms.network.name, decap);
  out.kind = decap.kind;
  out.destination_port = info.default_udp_port;
  out.vni = decap.number;
  out.vrf = terms.network.name;
  out.copy_dscp = terms.network.features.copy_dscp;
  std::vector<IpPrefix> sources;
  for (const auto& sender : senders) {
    const auto holds = [&](const IpPrefix& subnet) { return subnet.contains(sender); };
    const auto subnet = std::ranges::find_if(underlay, holds);
    sources.push_back(subnet == underlay.end() ? IpPrefix::host(sender) : *subnet);
  }
  out.sources = agent::aggregate_prefixes(std::move(sources));
  return agent::object_json(out, {});
}

Json tunnel_json(const ProfileTerms& terms, const std::string& receiver, const Way& way) {
  agent::TunnelConfig out;
  const auto& info = describe(way.kind);
  const auto& features = terms.network.features;
  out.name = tunnel_name(terms.network.name, receiver);
  auto& profile = out.profile;
  profile.kind = way.kind;
  profile.vni = way.number;
  profile.remote = way.remote;
  profile.payload = info.payload;
  profile.destination_port = info.default_udp_port;
  profile.inner_destination_mac = terms.network.router_mac;
  if (features.ttl) profile.ttl = *features.ttl;
  profile.copy_ttl = features.copy_ttl;
  if (features.dscp) profile.dscp = *features.dscp;
  profile.copy_dscp = features.copy_dscp;
  profile.outer_fragmentation = features.outer_fragmentation.value_or(false);
  profile.mss_clamp = features.mss_clamp;
  return agent::object_json(out, {});
}

Json route_json(const ProfileTerms& terms, const PlannedRoute& route) {
  agent::RouteConfig out;
  out.vrf = terms.network.name;
  out.prefix = route.prefix;
  if (route.node.empty()) {
    out.via.discard = true;
  } else {
    out.via.tunnel = tunnel_name(route.network, route.node);
  }
  return agent::object_json(out, {});
}

}  // namespace

std::string tunnel_name(const std::string& network, const std::string& node) {
  return made_name(network, node);
}

std::string decap_name(const std::string& network, const Entrance& entrance) {
  return made_name(network, std::string(describe(entrance.kind).name) + "-" +
                                std::to_string(entrance.number) +
                                (entrance.family == IpFamily::v6 ? "-ipv6" : ""));
}

Profiles render(const ProfileTerms& terms, const NodeProfiles& node,
                const std::vector<IpPrefix>& underlay) {
  Profiles out;
  const auto put = [&](const char* kind, const Json& json) {
    out.emplace(std::string(kind) + "/" + json["name"].get_ref<const std::string&>(), json.dump());
  };
  for (const auto& [name, group] : node.groups) {
    put("security-group", agent::object_json(group, {}));
  }
  if (node.vrf) put("vrf", vrf_json(terms));
  for (const auto& [decap, senders] : node.decaps) {
    put("decap", decap_json(terms, decap, senders, underlay));
  }
  for (const auto& [receiver, way] : node.tunnels) put("tunnel", tunnel_json(terms, receiver, way));
  for (const auto& [prefix, route] : node.routes) {
    out.emplace("route/" + terms.network.name + " " + to_string(prefix),
                route_json(terms, route).dump());
  }
  return out;
}

namespace {

/// Without the entries that `other` has, too.
template <class Map>
Map without(Map map, const Map& other) {
  std::erase_if(map, [&](const auto& entry) {
    const auto found = other.find(entry.first);
    return found != other.end() && found->second == entry.second;
  });
  return map;
}

NodeProfiles without(const NodeProfiles& node, const NodeProfiles& other) {
  return {node.vrf && !other.vrf, without(node.decaps, other.decaps),
          without(node.tunnels, other.tunnels), without(node.routes, other.routes),
          without(node.groups, other.groups)};
}

}  // namespace

Profiles difference(const ProfileTerms& before_terms, const NodeProfiles& before,
                    const ProfileTerms& now_terms, const NodeProfiles& now,
                    const std::vector<IpPrefix>& underlay) {
  if (before_terms == now_terms && before == now) return {};
  const bool same = before_terms == now_terms;
  const Profiles old = render(before_terms, same ? without(before, now) : before, underlay);
  const Profiles fresh = render(now_terms, same ? without(now, before) : now, underlay);
  Profiles out = without(fresh, old);
  for (const auto& [key, json] : old) {
    if (!fresh.contains(key)) out.emplace(key, std::string());
  }
  return out;
}

}  // namespace weft::controller
