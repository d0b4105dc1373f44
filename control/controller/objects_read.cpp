// Objects from YAML, and from JSON by way of yaml::Element.
#include <algorithm>
#include <charconv>

#include "agent/config_draft.hpp"
#include "controller/objects.hpp"

namespace weft::controller {
namespace {

using yaml::Map;
using yaml::Placed;
using yaml::Value;

/// A list in which nothing stands twice.
template <class T, class Reader>
bool list(Map& map, std::string_view key, std::vector<T>& into, const Reader& reader,
          bool required = false) {
  std::vector<Placed<T>> placed;
  const auto read = yaml::one_or_list(reader);
  const bool good = required ? map.required(key, placed, read) : map.optional(key, placed, read);
  if (good) yaml::unique(placed);
  into = yaml::values(std::move(placed));
  return good;
}

void none_of_a_family_twice(const Map& map, std::string_view key,
                            const std::vector<IpAddress>& addresses) {
  for (std::size_t i = 1; i < addresses.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (addresses[i].family() != addresses[j].family()) continue;
      map.at(key).error("wanted at most one address of each family, found " +
                        to_string(addresses[j]) + " and " + to_string(addresses[i]));
      return;
    }
  }
}

std::optional<TunnelKind> network_kind(const Value& v) {
  const auto word = yaml::text(v);
  if (!word) return std::nullopt;
  const auto known = network_kinds();
  for (const auto& info : tunnel_kinds) {
    const bool usable = std::ranges::find(known, *word) != known.end() && !info.network.empty();
    if (usable && info.name == *word) return info.kind;
  }
  std::string all;
  for (const auto name : known) all += (all.empty() ? "" : ", ") + std::string(name);
  v.error("wanted one of the tunnel kinds that tell networks apart by a number: " + all +
          "; found " + yaml::quoted(*word) + yaml::did_you_mean(*word, known));
  return std::nullopt;
}

/// Without dots, which part names that are made from it.
std::optional<std::string> network_name(const Value& v) {
  auto name = yaml::name(v);
  if (name && (name->find('.') != std::string::npos || *name == agent::underlay_name)) {
    return v.wanted("a name without dots that is not underlay");
  }
  return name;
}

/// AS:NUMBER, of 16 and 32 bits or of 32 and 16.
std::optional<std::string> route_target(const Value& v) {
  constexpr auto wanted = "a route target, like 64512:100";
  const std::string& text = v.element().text;
  std::uint32_t parts[2] = {};
  const auto colon = text.find(':');
  if (!v.scalar() || colon == std::string::npos) return v.wanted(wanted);
  const char* const middle = text.data() + colon;
  const char* const last = text.data() + text.size();
  const auto as = std::from_chars(text.data(), middle, parts[0]);
  const auto number = std::from_chars(middle + 1, last, parts[1]);
  const bool whole =
      as.ec == std::errc() && as.ptr == middle && number.ec == std::errc() && number.ptr == last;
  if (!whole || (parts[0] > 0xffff && parts[1] > 0xffff)) return v.wanted(wanted);
  return text;
}

std::optional<TunnelFeatures> features(const Value& v) {
  TunnelFeatures out;
  Map map(v);
  std::uint8_t ttl = 64;
  std::uint8_t dscp = 0;
  bool fragments = false;
  if (map.optional("ttl", ttl, yaml::number("copy", out.copy_ttl, ttl, 1, 255))) out.ttl = ttl;
  if (map.optional("dscp", dscp, yaml::number("copy", out.copy_dscp, dscp, 0, 63))) out.dscp = dscp;
  if (map.optional("outer_fragmentation", fragments, yaml::boolean)) {
    out.outer_fragmentation = fragments;
  }
  map.optional("mss_clamp", out.mss_clamp, agent::read_mss_clamp);
  map.finish();
  return out;
}

std::optional<agent::SubnetConfig> subnet(const Value& v) {
  agent::SubnetConfig out;
  Map map(v);
  const bool prefix = map.required("prefix", out.prefix, yaml::network);
  const bool gateway = map.required("gateway", out.gateway, yaml::address);
  map.finish();
  if (prefix && gateway && !out.prefix.contains(out.gateway)) {
    map.at("gateway").error(to_string(out.gateway) + " is not in " + to_string(out.prefix));
  }
  return out;
}

std::optional<Object> read_node(const Value& v) {
  Node out;
  Map map(v);
  map.required("name", out.name, yaml::name);
  list(map, "tunnel_addresses", out.tunnel_addresses, yaml::address);
  none_of_a_family_twice(map, "tunnel_addresses", out.tunnel_addresses);
  list(map, "kinds", out.kinds, network_kind);
  map.finish();
  return out;
}

std::optional<Object> read_device(const Value& v) {
  Device out;
  Map map(v);
  map.required("name", out.name, yaml::name);
  list(map, "addresses", out.addresses, yaml::address);
  map.finish();
  return out;
}

std::optional<Object> read_link(const Value& v) {
  Link out;
  Map map(v);
  map.required("name", out.name, yaml::name);
  if (list(map, "ends", out.ends, yaml::name, true) && out.ends.size() != 2) {
    map.at("ends").error("wanted two names of nodes or devices, found " +
                         std::to_string(out.ends.size()));
  }
  map.optional("cost", out.cost, yaml::number(1U, 1000000U));
  map.finish();
  return out;
}

std::optional<Object> read_vm(const Value& v) {
  Vm out;
  Map map(v);
  map.required("name", out.name, yaml::name);
  map.required("node", out.node, yaml::name);
  map.required("network", out.network, yaml::name);
  map.required("mac", out.mac, yaml::mac);
  list(map, "addresses", out.addresses, yaml::address);
  map.finish();
  return out;
}

std::optional<Object> read_group(const Value& v) {
  const auto draft = agent::read_security_group(v);
  return draft ? std::optional<Object>(draft->config) : std::nullopt;
}

std::optional<Object> read_network(const Value& v) {
  constexpr std::uint32_t least = 16;  // what labels may be, too
  Network out;
  Map map(v);
  map.required("name", out.name, network_name);
  std::vector<Placed<agent::SubnetConfig>> subnets;
  map.optional("subnets", subnets, yaml::placed_list(subnet));
  for (std::size_t i = 1; i < subnets.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const auto& a = subnets[i].value.prefix;
      const auto& b = subnets[j].value.prefix;
      if (!a.contains(b) && !b.contains(a)) continue;
      subnets[i].where.error(to_string(a) + " overlaps with " + to_string(b));
    }
  }
  out.subnets = yaml::values(std::move(subnets));
  list(map, "members", out.members, yaml::name);
  list(map, "tunnels", out.tunnels, network_kind);
  if (out.tunnels.empty()) out.tunnels = {TunnelKind::vxlan};
  const auto number = [&](std::string_view key, std::optional<std::uint32_t>& into,
                          std::uint32_t from, std::uint32_t to) {
    std::uint32_t value = 0;
    if (map.optional(key, value, yaml::number(from, to))) into = value;
  };
  number("id", out.id, 1, 0xffffffff);
  number("vni", out.vni, least, 0xffffff);
  number("label", out.label, least, 0xfffff);
  map.optional("router_mac", out.router_mac, yaml::mac);
  const auto targets = [&](std::string_view key, std::optional<std::vector<std::string>>& into) {
    std::vector<std::string> read;
    if (list(map, key, read, route_target)) into = std::move(read);
  };
  targets("import", out.import_targets);
  targets("export", out.export_targets);
  list(map, "security_groups", out.security_groups, yaml::name);
  map.optional("features", out.features, features);
  map.optional("routes", out.inventory_routes,
               yaml::choice<bool>({{"published", false}, {"inventory", true}}));
  map.finish();
  return out;
}

std::optional<Object> read_route(const Value& v) {
  Route out;
  Map map(v);
  bool discard = false;
  map.required("network", out.network, yaml::name);
  map.required("prefix", out.prefix, yaml::network);
  map.optional("node", out.node, yaml::name);
  map.optional("discard", discard, yaml::boolean);
  map.finish();
  if (map.is_map() && map.has("node") == discard) {
    map.value().error("wanted either the node that leads on, or discard: true");
  }
  return out;
}

std::optional<Object> read_numbers(const Value& v) {
  Numbers out;
  Map map(v);
  map.required("network", out.network, yaml::name);
  map.required("id", out.id, yaml::number(1U, 0xffffffffU));
  map.required("vni", out.vni, yaml::number(1U, 0xffffffU));
  map.required("label", out.label, yaml::number(1U, 0xfffffU));
  map.finish();
  return out;
}

std::optional<Object> read_member(const Value& v) {
  Member out;
  Map map(v);
  map.required("network", out.network, yaml::name);
  map.required("node", out.node, yaml::name);
  map.finish();
  return out;
}

}  // namespace

std::optional<Object> read_object(Kind kind, const Value& value) {
  using Reader = std::optional<Object> (*)(const Value&);
  constexpr Reader readers[] = {read_node, read_device, read_link,    read_group, read_network,
                                read_vm,   read_route,  read_numbers, read_member};
  return readers[static_cast<std::size_t>(kind)](value);
}

}  // namespace weft::controller
