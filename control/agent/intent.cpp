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

namespace {

// What an object refers to: `f(kind, name)` for each; the name may be empty.
template <class F>
void each_reference(const SecurityGroupConfig& group, F&& f) {
  for (const auto& name : group.named_groups()) {
    if (name != group.name) f("security-group", name);
  }
}
template <class F>
void each_reference(const VrfConfig& vrf, F&& f) {
  for (const auto& name : vrf.security_groups) f("security-group", name);
}
template <class F>
void each_reference(const NeighbourConfig&, F&&) {}
template <class F>
void each_reference(const VifConfig& vif, F&& f) {
  f("vrf", vif.vrf);
  if (!vif.security_groups) return;
  for (const auto& name : *vif.security_groups) f("security-group", name);
}
template <class F>
void each_reference(const TunnelConfig&, F&&) {}
template <class F>
void each_reference(const DecapConfig& decap, F&& f) {
  f("vrf", decap.vrf);
  f("vif", decap.vif);
  f("tunnel", decap.tunnel);
}
template <class F>
void each_reference(const RouteConfig& route, F&& f) {
  f("vrf", route.vrf);
  f("vrf", route.via.vrf);
  f("vif", route.via.vif);
  f("tunnel", route.via.tunnel);
  for (const auto& way : route.via.ecmp) {
    f("vif", way.vif);
    f("tunnel", way.tunnel);
  }
}

}  // namespace

std::vector<std::string> referrers(const Intent& intent, std::string_view kind,
                                   const std::string& name) {
  std::vector<std::string> out;
  for_each_kind([&]<class Object>() {
    intent.each<Object>([&](const Object& object, Owner) {
      bool refers = false;
      each_reference(object, [&](std::string_view of, const std::string& to) {
        refers = refers || (of == kind && to == name);
      });
      if (refers) out.push_back(label<Object>(ObjectKind<Object>::key(object)));
    });
  });
  return out;
}

std::set<std::string> names_in_use(const Intent& intent, std::string_view kind) {
  std::set<std::string> names;
  for_each_kind([&]<class Object>() {
    intent.each<Object>([&](const Object& object, Owner) {
      each_reference(object, [&](std::string_view of, const std::string& to) {
        if (of == kind && !to.empty()) names.insert(to);
      });
    });
  });
  return names;
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
  compare(from.controllers, to.controllers, "controllers");
  compare(from.channel, to.channel, "channel");
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
