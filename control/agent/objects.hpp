#pragma once
/// The objects that the file, the API and the channel may speak of, by kind and key.

#include <map>
#include <string>
#include <string_view>

#include "agent/config.hpp"
#include "agent/update.hpp"

namespace weft::agent {

/// Objects that one owner wants.
struct ObjectSet {
  std::map<std::string, SecurityGroupConfig, std::less<>> security_groups;
  std::map<std::string, VrfConfig, std::less<>> vrfs;
  std::map<IpAddress, NeighbourConfig> neighbours;
  std::map<std::string, VifConfig, std::less<>> vifs;
  std::map<std::string, TunnelConfig, std::less<>> tunnels;
  std::map<std::string, DecapConfig, std::less<>> decaps;
  std::map<RouteKey, RouteConfig> routes;
};

inline std::string key_text(const std::string& name) { return name; }
inline std::string key_text(const IpAddress& address) { return to_string(address); }
inline std::string key_text(const RouteKey& key) {
  return to_string(key.prefix) + " in " + key.vrf;
}

/// What is known of a kind: its name in commands and paths, its list in `weft.yaml`, its keys.
template <class Object>
struct ObjectKind;

template <>
struct ObjectKind<SecurityGroupConfig> {
  static constexpr std::string_view word = "security-group";
  static constexpr std::string_view list = "security_groups";
  static constexpr auto objects = &ObjectSet::security_groups;
  static constexpr auto configs = &Config::security_groups;
  static constexpr auto changes = &Update::security_groups;
  using Key = std::string;
  static Key key(const SecurityGroupConfig& config) { return config.name; }
};
template <>
struct ObjectKind<VrfConfig> {
  static constexpr std::string_view word = "vrf";
  static constexpr std::string_view list = "vrfs";
  static constexpr auto objects = &ObjectSet::vrfs;
  static constexpr auto configs = &Config::vrfs;
  static constexpr auto changes = &Update::vrfs;
  using Key = std::string;
  static Key key(const VrfConfig& config) { return config.name; }
};
template <>
struct ObjectKind<NeighbourConfig> {
  static constexpr std::string_view word = "neighbour";
  static constexpr std::string_view list = "neighbours";
  static constexpr auto objects = &ObjectSet::neighbours;
  static constexpr auto configs = &Config::neighbours;
  static constexpr auto changes = &Update::neighbours;
  using Key = IpAddress;
  static Key key(const NeighbourConfig& config) { return config.address; }
};
template <>
struct ObjectKind<VifConfig> {
  static constexpr std::string_view word = "vif";
  static constexpr std::string_view list = "vifs";
  static constexpr auto objects = &ObjectSet::vifs;
  static constexpr auto configs = &Config::vifs;
  static constexpr auto changes = &Update::vifs;
  using Key = std::string;
  static Key key(const VifConfig& config) { return config.name; }
};
template <>
struct ObjectKind<TunnelConfig> {
  static constexpr std::string_view word = "tunnel";
  static constexpr std::string_view list = "tunnels";
  static constexpr auto objects = &ObjectSet::tunnels;
  static constexpr auto configs = &Config::tunnels;
  static constexpr auto changes = &Update::tunnels;
  using Key = std::string;
  static Key key(const TunnelConfig& config) { return config.name; }
};
template <>
struct ObjectKind<DecapConfig> {
  static constexpr std::string_view word = "decap";
  static constexpr std::string_view list = "decaps";
  static constexpr auto objects = &ObjectSet::decaps;
  static constexpr auto configs = &Config::decaps;
  static constexpr auto changes = &Update::decaps;
  using Key = std::string;
  static Key key(const DecapConfig& config) { return config.name; }
};
template <>
struct ObjectKind<RouteConfig> {
  static constexpr std::string_view word = "route";
  static constexpr std::string_view list = "routes";
  static constexpr auto objects = &ObjectSet::routes;
  static constexpr auto configs = &Config::routes;
  static constexpr auto changes = &Update::routes;
  using Key = RouteKey;
  static Key key(const RouteConfig& config) { return {config.vrf, config.prefix}; }
};

template <class Object>
using KeyOf = typename ObjectKind<Object>::Key;

/// How messages name an object: `vif vm1`, `route 10.1.0.0/24 in blue`.
template <class Object>
std::string label(const KeyOf<Object>& key) {
  return std::string(ObjectKind<Object>::word) + " " + key_text(key);
}

/// Calls `f.template operator()<Object>()` for each kind; what others refer to comes first.
template <class F>
void for_each_kind(F&& f) {
  f.template operator()<SecurityGroupConfig>();
  f.template operator()<VrfConfig>();
  f.template operator()<NeighbourConfig>();
  f.template operator()<VifConfig>();
  f.template operator()<TunnelConfig>();
  f.template operator()<DecapConfig>();
  f.template operator()<RouteConfig>();
}

template <class Object>
auto& objects_of(ObjectSet& set) {
  return set.*ObjectKind<Object>::objects;
}
template <class Object>
const auto& objects_of(const ObjectSet& set) {
  return set.*ObjectKind<Object>::objects;
}

inline bool empty(const ObjectSet& set) {
  bool none = true;
  for_each_kind([&]<class Object>() { none = none && objects_of<Object>(set).empty(); });
  return none;
}

/// The object of that key, or null.
template <class Object>
const Object* find(const ObjectSet& set, const KeyOf<Object>& key) {
  const auto& objects = objects_of<Object>(set);
  const auto found = objects.find(key);
  return found == objects.end() ? nullptr : &found->second;
}

inline ObjectSet object_set(const Config& config) {
  ObjectSet set;
  for_each_kind([&]<class Object>() {
    for (const auto& object : config.*ObjectKind<Object>::configs) {
      objects_of<Object>(set).emplace(ObjectKind<Object>::key(object), object);
    }
  });
  return set;
}

}  // namespace weft::agent
