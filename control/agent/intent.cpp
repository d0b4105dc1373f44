#include "agent/intent.hpp"

#include <algorithm>

namespace weft::agent {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

template <class Object>
std::map<KeyOf<Object>, std::pair<const Object*, Owner>> all(const Intent& intent) {
  std::map<KeyOf<Object>, std::pair<const Object*, Owner>> out;
  intent.each<Object>([&](const Object& object, Owner owner) {
    out.emplace(ObjectKind<Object>::key(object), std::pair(&object, owner));
  });
  return out;
}

}  // namespace

std::vector<std::string> referrers(const Intent& intent, std::string_view kind,
                                   const std::string& name) {
  std::vector<std::string> out;
  const auto look = [&]<class Object>(auto refers) {
    intent.each<Object>([&](const Object& object, Owner) {
      if (refers(object)) out.push_back(label<Object>(ObjectKind<Object>::key(object)));
    });
  };
  const auto names = [&](const std::vector<std::string>& list) {
    return std::ranges::find(list, name) != list.end();
  };
  if (kind == "security-group") {
    look.operator()<SecurityGroupConfig>(
        [&](const auto& group) { return group.name != name && group.names_group(name); });
    look.operator()<VrfConfig>([&](const auto& vrf) { return names(vrf.security_groups); });
    look.operator()<VifConfig>(
        [&](const auto& vif) { return vif.security_groups && names(*vif.security_groups); });
  } else if (kind == "vrf") {
    look.operator()<VifConfig>([&](const auto& vif) { return vif.vrf == name; });
    look.operator()<DecapConfig>([&](const auto& decap) { return decap.vrf == name; });
    look.operator()<RouteConfig>(
        [&](const auto& route) { return route.vrf == name || route.via.vrf == name; });
  } else if (kind == "vif") {
    look.operator()<DecapConfig>([&](const auto& decap) { return decap.vif == name; });
    look.operator()<RouteConfig>([&](const auto& route) { return route.via.names_vif(name); });
  } else if (kind == "tunnel") {
    look.operator()<DecapConfig>([&](const auto& decap) { return decap.tunnel == name; });
    look.operator()<RouteConfig>([&](const auto& route) { return route.via.names_tunnel(name); });
  }
  return out;
}

Difference difference(const Intent& from, const Intent& to) {
  Difference out;
  for_each_kind([&]<class Object>() {
    auto& changes = out.update.*ObjectKind<Object>::changes;
    const auto before = all<Object>(from);
    const auto after = all<Object>(to);
    for (const auto& [key, wanted] : after) {
      const auto& [object, owner] = wanted;
      const auto old = before.find(key);
      const bool fresh = old == before.end();
      if (!fresh && *old->second.first == *object && old->second.second == owner) continue;
      changes.put.push_back({*object, owner});
      if (fresh) {
        out.added.push_back(label<Object>(key));
      } else if (*old->second.first != *object) {
        out.changed.push_back(label<Object>(key));
      }
    }
    for (const auto& [key, wanted] : before) {
      if (after.contains(key)) continue;
      changes.erase.push_back(key);
      out.removed.push_back(label<Object>(key));
    }
  });
  return out;
}

std::vector<std::string> fixed_keys(const Config& from, const Config& to) {
  std::vector<std::string> out;
  const auto compare = [&](const auto& a, const auto& b, const char* key) {
    if (a != b) out.emplace_back(key);
  };
  compare(from.node.name, to.node.name, "node.name");
  compare(from.node.tunnel_addresses, to.node.tunnel_addresses, "node.tunnel_address");
  compare(from.dpdk, to.dpdk, "dpdk");
  compare(from.workers, to.workers, "workers");
  compare(from.api_socket, to.api_socket, "api.socket");
  compare(from.state_file, to.state_file, "state.file");
  compare(from.metrics, to.metrics, "metrics.listen");
  compare(from.flows, to.flows, "flows");
  compare(from.reassembly, to.reassembly, "reassembly");
  compare(from.ports, to.ports, "ports");
  return out;
}

std::string fixed_vif_keys(const VifConfig& from, const VifConfig& to) {
  std::vector<std::string> keys;
  if (from.device != to.device) keys.emplace_back("device");
  if (from.mac != to.mac) keys.emplace_back("mac");
  if (from.mtu_bytes != to.mtu_bytes) keys.emplace_back("mtu");
  return joined(keys);
}

}  // namespace weft::agent
