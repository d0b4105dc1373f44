#include "agent/neighbourhood.hpp"

#include <algorithm>

namespace weft::agent {

namespace {

/// Security groups that an object is in, or that its rules speak of.
std::vector<std::string> group_names_in(const Json& json) {
  auto names = texts_of(json, "security_groups");
  for (const auto* direction : {"ingress", "egress"}) {
    const auto rules = json.find(direction);
    if (rules == json.end() || !rules->is_array()) continue;
    for (const auto& rule : *rules) {
      for (const auto* side : {"from", "to"}) {
        for (const auto& peer : texts_of(rule, side)) {
          if (peer.starts_with(group_scheme)) names.push_back(peer.substr(group_scheme.size()));
        }
      }
    }
  }
  return names;
}

std::vector<IpAddress> addresses_of(const Json& json, const char* key) {
  std::vector<IpAddress> out;
  for (const auto& text : texts_of(json, key)) {
    if (const auto address = parse_ip(text)) out.push_back(*address);
  }
  return out;
}

}  // namespace

void Neighbourhood::group(const std::string& name) {
  const auto wanted = intent_.wanted<SecurityGroupConfig>(name);
  if (!seen_.insert(label<SecurityGroupConfig>(name)).second) return;
  if (!wanted) {  // all of them, since one was meant
    intent_.each<SecurityGroupConfig>(
        [&](const SecurityGroupConfig& other, Owner) { group(other.name); });
    return;
  }
  groups_in(object_json(*wanted->object, intent_.config.node));
  document_.add(*wanted->object);
}

void Neighbourhood::groups_in(const Json& json) {
  for (const auto& name : group_names_in(json)) group(name);
}

void Neighbourhood::vrf(const std::string& name) {
  const auto wanted = intent_.wanted<VrfConfig>(name);
  if (!wanted || !seen_.insert(label<VrfConfig>(name)).second) return;
  groups_in(object_json(*wanted->object, intent_.config.node));
  document_.add(*wanted->object);
}

void Neighbourhood::vif(const std::string& name) {
  const auto wanted = intent_.wanted<VifConfig>(name);
  if (!wanted || !seen_.insert(label<VifConfig>(name)).second) return;
  vrf(wanted->object->vrf);
  groups_in(object_json(*wanted->object, intent_.config.node));
  document_.add(*wanted->object);
}

void Neighbourhood::tunnel(const std::string& name) {
  const auto wanted = intent_.wanted<TunnelConfig>(name);
  if (wanted && seen_.insert(label<TunnelConfig>(name)).second) document_.add(*wanted->object);
}

void Neighbourhood::decap(const DecapConfig& config) {
  if (!seen_.insert(label<DecapConfig>(config.name)).second) return;
  vrf(config.vrf);
  vif(config.vif);
  tunnel(config.tunnel);
  document_.add(config);
}

void Neighbourhood::route(const std::string& vrf_name, const IpPrefix& prefix) {
  const auto wanted = intent_.wanted<RouteConfig>({vrf_name, prefix});
  if (!wanted || !seen_.insert(label<RouteConfig>({vrf_name, prefix})).second) return;
  const auto& via = wanted->object->via;
  vrf(vrf_name);
  vrf(via.vrf);
  vif(via.vif);
  tunnel(via.tunnel);
  for (const auto& way : via.ecmp) {
    vif(way.vif);
    tunnel(way.tunnel);
  }
  document_.add(*wanted->object);
}

template <>
void Neighbourhood::around<SecurityGroupConfig>(const Json& json, const std::string& own) {
  seen_.insert(label<SecurityGroupConfig>(own));
  groups_in(json);
}

template <>
void Neighbourhood::around<VrfConfig>(const Json& json, const std::string& own) {
  seen_.insert(label<VrfConfig>(own));
  groups_in(json);
  const auto id = json.find("id");
  intent_.each<VrfConfig>([&](const VrfConfig& other, Owner) {
    if (id != json.end() && *id == other.id && other.name != own) vrf(other.name);
  });
  // The VRF itself is not in the document yet, and those inside it refer to it.
  const auto subnets = json.find("subnets");
  intent_.each<VifConfig>([&](const VifConfig& vif_config, Owner) {
    if (vif_config.vrf == own) vif(vif_config.name);
  });
  if (subnets == json.end() || !subnets->is_array()) return;
  for (const auto& subnet : *subnets) {
    if (const auto gateway = parse_ip(text_of(subnet, "gateway"))) {
      route(own, IpPrefix::host(*gateway));
    }
    if (const auto prefix = parse_prefix(text_of(subnet, "prefix"))) route(own, prefix->masked());
  }
}

template <>
void Neighbourhood::around<NeighbourConfig>(const Json& json, const IpAddress&) {
  vrf(text_of(json, "vrf"));
}

template <>
void Neighbourhood::around<VifConfig>(const Json& json, const std::string& own) {
  seen_.insert(label<VifConfig>(own));
  const auto vrf_name = text_of(json, "vrf");
  const auto device = text_of(json, "device");
  const auto mac = parse_mac(text_of(json, "mac"));
  const auto addresses = addresses_of(json, "addresses");
  groups_in(json);
  vrf(vrf_name);
  intent_.each<VifConfig>([&](const VifConfig& other, Owner) {
    if (other.name == own) return;
    const bool shares = std::ranges::any_of(other.addresses, [&](const IpAddress& address) {
      return std::ranges::find(addresses, address) != addresses.end();
    });
    const bool same_vrf = other.vrf == vrf_name && (other.mac == mac || shares);
    if (other.device == device || same_vrf) vif(other.name);
  });
  for (const auto& address : addresses) route(vrf_name, IpPrefix::host(address));
}

template <>
void Neighbourhood::around<TunnelConfig>(const Json& json, const std::string& own) {
  seen_.insert(label<TunnelConfig>(own));
  intent_.each<DecapConfig>([&](const DecapConfig& other, Owner) {
    if (other.tunnel == own) document_.add(other);
  });
  if (text_of(json, "payload") != "nsh") return;
  intent_.each<RouteConfig>([&](const RouteConfig& other, Owner) {
    if (other.via.names_tunnel(own)) route(other.vrf, other.prefix);
  });
}

template <>
void Neighbourhood::around<DecapConfig>(const Json& json, const std::string& own) {
  seen_.insert(label<DecapConfig>(own));
  vrf(text_of(json, "vrf"));
  vif(text_of(json, "vif"));
  tunnel(text_of(json, "tunnel"));
  intent_.each<DecapConfig>([&](const DecapConfig& other, Owner) {
    const std::string network(describe(other.kind).network);
    const std::uint32_t number = has_nsh(other.kind) ? other.vni >> 8 : other.vni;
    const bool same = network.empty() || (json.contains(network) && json[network] == number);
    if (same) decap(other);
  });
}

template <>
void Neighbourhood::around<RouteConfig>(const Json& json, const RouteKey& own) {
  seen_.insert(label<RouteConfig>(own));
  vrf(own.vrf);
  if (const auto via = json.find("via"); via != json.end()) {
    vrf(text_of(*via, "vrf"));
    vif(text_of(*via, "vif"));
    tunnel(text_of(*via, "tunnel"));
    for (const Json& way : ecmp_members(*via)) {
      vif(text_of(way, "vif"));
      tunnel(text_of(way, "tunnel"));
    }
  }
  if (own.prefix.length != own.prefix.address.width_bits()) return;
  intent_.each<VifConfig>([&](const VifConfig& other, Owner) {
    const bool has =
        std::ranges::find(other.addresses, own.prefix.address) != other.addresses.end();
    if (other.vrf == own.vrf && has) vif(other.name);
  });
}

}  // namespace weft::agent
