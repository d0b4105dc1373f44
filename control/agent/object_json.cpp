#include "agent/object_json.hpp"

#include <algorithm>

#include "agent/protocol_names.hpp"
#include "agent/tunnel_names.hpp"

namespace weft::agent {

namespace {

constexpr int deepest = 8;

template <class List>
Json texts(const List& list) {
  Json out = Json::array();
  for (const auto& item : list) out.push_back(to_string(item));
  return out;
}

bool is_default_local(const NodeConfig& node, const IpAddress& local) {
  return std::ranges::find(node.tunnel_addresses, local) != node.tunnel_addresses.end();
}

Json peers_json(const std::vector<PeerConfig>& peers) {
  Json out = Json::array();
  for (const auto& peer : peers) {
    out.push_back(peer.group.empty() ? to_string(peer.prefix)
                                     : std::string(group_scheme) + peer.group);
  }
  return out;
}

Json ports_json(const std::vector<PortRange>& ranges) {
  Json out = Json::array();
  for (const auto& [first, last] : ranges) {
    out.push_back(first == last ? Json(first)
                                : Json(std::to_string(first) + "-" + std::to_string(last)));
  }
  return out;
}

void put_network(Json& out, TunnelKind kind, std::uint32_t network) {
  const std::string name(describe(kind).network);
  if (name.empty()) return;
  out[name] = has_nsh(kind) ? network >> 8 : network;
  if (has_nsh(kind)) out["index"] = network & 0xff;
}
/// VNI or key of what carries NSH.
void put_carrier(Json& out, TunnelKind kind, const std::optional<std::uint32_t>& network) {
  if (network) out[std::string(carrier_network_name(kind))] = *network;
}
std::string_view payload_text(TunnelPayload payload) {
  constexpr std::array<std::string_view, 3> names{"ethernet", "ip", "nsh"};
  return names[static_cast<std::size_t>(payload)];
}

/// What a header has beside its network.
void put_header(Json& out, const std::vector<std::uint32_t>& labels,
                const std::vector<TunnelOption>& options) {
  if (!labels.empty()) out["labels"] = labels;
  if (options.empty()) return;
  out["options"] = Json::array();
  for (const TunnelOption& option : options) out["options"].push_back(option_text(option));
}

void put_clamp(Json& out, const MssClamp& clamp) {
  if (clamp.mode == MssClamp::Mode::fixed) out["mss_clamp"] = clamp.bytes;
  if (clamp.mode == MssClamp::Mode::automatic) out["mss_clamp"] = "auto";
}

yaml::Element element(const Json& json, const std::string& label, int depth) {
  using Kind = yaml::Element::Kind;
  yaml::Element out;
  if (depth > deepest) return out;
  if (json.is_object()) {
    out.kind = Kind::map;
    out.text = label;
    for (const auto& [key, value] : json.items()) {
      yaml::Element name;
      name.kind = Kind::scalar;
      name.text = key;
      out.children.push_back(std::move(name));
      out.children.push_back(element(value, label, depth + 1));
    }
  } else if (json.is_array()) {
    out.kind = Kind::list;
    for (const auto& item : json) out.children.push_back(element(item, label, depth + 1));
  } else if (!json.is_null()) {
    out.kind = Kind::scalar;
    out.quoted = json.is_string();
    out.text = out.quoted ? json.get<std::string>() : json.dump();
  }
  return out;
}

}  // namespace

Json rule_json(const RuleConfig& rule) {
  Json out = Json::object();
  if (rule.action == PolicyAction::deny) out["action"] = "deny";
  if (rule.protocol) {
    const auto text = protocol_text(*rule.protocol);
    out["protocol"] = protocol_named(text) ? Json(text) : Json(*rule.protocol);
  }
  if (!rule.from.empty()) out["from"] = peers_json(rule.from);
  if (!rule.to.empty()) out["to"] = peers_json(rule.to);
  if (!rule.ports.empty()) out["ports"] = ports_json(rule.ports);
  if (!rule.source_ports.empty()) out["source_ports"] = ports_json(rule.source_ports);
  if (rule.icmp_type) out["icmp_type"] = *rule.icmp_type;
  if (rule.icmp_code) out["icmp_code"] = *rule.icmp_code;
  return out;
}

Json object_json(const SecurityGroupConfig& group, const NodeConfig&) {
  Json out{{"name", group.name}};
  if (!group.members.empty()) out["members"] = texts(group.members);
  const auto put_rules = [&](const char* key, const std::optional<std::vector<RuleConfig>>& rules) {
    if (!rules) return;
    out[key] = Json::array();
    for (const auto& rule : *rules) out[key].push_back(rule_json(rule));
  };
  put_rules("ingress", group.ingress);
  put_rules("egress", group.egress);
  return out;
}

Json object_json(const VrfConfig& vrf, const NodeConfig&) {
  Json subnets = Json::array();
  for (const auto& subnet : vrf.subnets) {
    subnets.push_back({{"prefix", to_string(subnet.prefix)},  //
                       {"gateway", to_string(subnet.gateway)}});
  }
  Json out{{"name", vrf.name},
           {"id", vrf.id},
           {"router_mac", to_string(vrf.router_mac)},
           {"subnets", subnets}};
  if (!vrf.security_groups.empty()) out["security_groups"] = vrf.security_groups;
  return out;
}

Json object_json(const NeighbourConfig& neighbour, const NodeConfig&) {
  return {{"address", to_string(neighbour.address)}, {"mac", to_string(neighbour.mac)}};
}

Json object_json(const VifConfig& vif, const NodeConfig&) {
  Json out{{"name", vif.name},
           {"device", vif.device},
           {"vrf", vif.vrf},
           {"mac", to_string(vif.mac)},
           {"addresses", texts(vif.addresses)},
           {"mtu", vif.mtu_bytes},
           {"anti_spoofing", vif.anti_spoofing},
           {"flows", vif.flows}};
  put_clamp(out, vif.mss_clamp);
  if (vif.security_groups) out["security_groups"] = *vif.security_groups;
  return out;
}

Json number_or_copy(std::uint8_t number, bool copy) { return copy ? Json("copy") : Json(number); }

Json object_json(const TunnelConfig& tunnel, const NodeConfig& node) {
  const auto& p = tunnel.profile;
  const auto& kind = describe(p.kind);
  Json out{{"name", tunnel.name}, {"kind", kind.name}};
  if (p.payload != TunnelPayload::nsh) put_network(out, p.kind, p.vni);
  put_carrier(out, p.kind, p.carrier_network);
  if (p.context != NshContext{}) out["context"] = context_text(p.context);
  if (kind.any_payload) out["payload"] = payload_text(p.payload);
  if (p.segments.empty()) {
    out["remote"] = to_string(p.remote);
  } else {
    out["segments"] = Json::array();
    for (const Ipv6Address& segment : p.segments) {
      out["segments"].push_back(to_string(IpAddress(segment)));
    }
    out["reduced"] = p.reduced;
  }
  put_header(out, p.labels, p.options);
  if (p.reserved != 0) out["reserved"] = header_bits_text(p.reserved);
  if (!kind.on_ethernet && p.local != IpAddress{} && !is_default_local(node, p.local)) {
    out["local"] = to_string(p.local);
  }
  if (p.destination_port != kind.default_udp_port) out["port"] = p.destination_port;
  if (p.destination_port != 0) {
    out["source_ports"] =
        std::to_string(p.source_ports.first) + "-" + std::to_string(p.source_ports.last);
  }
  if (p.payload == TunnelPayload::ethernet) {
    out["inner_destination_mac"] = to_string(p.inner_destination_mac);
  }
  if (has_ttl(p.kind)) out["ttl"] = number_or_copy(p.ttl, p.copy_ttl);
  if (!kind.on_ethernet) out["dscp"] = number_or_copy(p.dscp, p.copy_dscp);
  out["zero_udp_checksum6"] = p.zero_udp_checksum6;
  if (!kind.on_ethernet) out["outer_fragmentation"] = p.outer_fragmentation;
  put_clamp(out, p.mss_clamp);
  return out;
}

Json object_json(const DecapConfig& decap, const NodeConfig& node) {
  const auto& kind = describe(decap.kind);
  Json out{{"name", decap.name}, {"kind", kind.name}};
  put_network(out, decap.kind, decap.vni);
  put_carrier(out, decap.kind, decap.carrier_network);
  if (!decap.tunnel.empty()) out["tunnel"] = decap.tunnel;
  if (!decap.vrf.empty()) out["vrf"] = decap.vrf;
  if (!decap.vif.empty()) out["vif"] = decap.vif;
  if (decap.gateway) out["gateway"] = to_string(*decap.gateway);
  if (decap.kind == TunnelKind::srv6) {
    if (decap.behaviour != SegmentBehaviour::dx46) {
      out["behaviour"] = behaviour_text(decap.behaviour);
    }
    out["sid"] = to_string(decap.local);
  }
  put_header(out, decap.labels, decap.options);
  for (const DecapMark& mark : decap.marks) {
    out["marks"].push_back({{"name", mark.name},
                            {"bits", header_bits_text(mark.bits)},
                            {"mask", header_bits_text(mark.mask)}});
  }
  if (!kind.on_ethernet) out["sources"] = texts(decap.sources);
  if (decap.kind != TunnelKind::srv6 && decap.local != IpAddress{} &&
      !is_default_local(node, decap.local)) {
    out["local"] = to_string(decap.local);
  }
  if (decap.destination_port != kind.default_udp_port) out["port"] = decap.destination_port;
  out["zero_udp_checksum6"] = decap.zero_udp_checksum6;
  if (!kind.on_ethernet) out["dscp"] = decap.copy_dscp ? "copy" : "keep";
  return out;
}

Json object_json(const RouteConfig& route, const NodeConfig&) {
  Json via = Json::object();
  if (!route.via.tunnel.empty()) via["tunnel"] = route.via.tunnel;
  if (!route.via.vif.empty()) via["vif"] = route.via.vif;
  if (!route.via.vrf.empty()) via["vrf"] = route.via.vrf;
  const auto& gateways = route.via.gateways;
  if (gateways.size() == 1) via["gateway"] = to_string(gateways.front());
  if (gateways.size() > 1) via["gateway"] = texts(gateways);
  if (route.via.discard) via["discard"] = true;
  for (const auto& way : route.via.ecmp) {
    via["ecmp"].push_back(way.tunnel.empty() ? Json{{"vif", way.vif}}
                                             : Json{{"tunnel", way.tunnel}});
  }
  Json out{{"vrf", route.vrf}, {"prefix", to_string(route.prefix)}, {"via", via}};
  if (route.beside_vif == BesideVif::behind) out["beside_vif"] = "behind";
  if (route.beside_vif == BesideVif::before) out["beside_vif"] = "before";
  return out;
}

Json object_json(const PortConfig& port) {
  Json out{{"name", port.name}, {"device", port.device}, {"addresses", texts(port.addresses)}};
  out["gateway"] = texts(port.gateways);
  out["mtu"] = port.mtu_bytes;
  if (port.vlan != 0) out["vlan"] = port.vlan;
  if (!port.host.empty()) out["host"] = port.host;
  if (port.bfd) {
    out["bfd"] = {{"interval", port.bfd->interval_ms}, {"multiplier", port.bfd->multiplier}};
  }
  return out;
}

Json object_json(const NodeConfig& node) {
  return {{"name", node.name}, {"tunnel_address", texts(node.tunnel_addresses)}};
}

yaml::Element to_element(const Json& json, const std::string& label) {
  return element(json, label, 0);
}

std::string text_of(const Json& json, const char* key) {
  if (!json.is_object()) return "";
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::vector<std::string> texts_of(const Json& json, const char* key) {
  std::vector<std::string> out;
  if (const auto single = text_of(json, key); !single.empty()) return {single};
  if (!json.is_object() || !json.contains(key) || !json[key].is_array()) return out;
  for (const auto& item : json[key]) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  }
  return out;
}

std::vector<Json> ecmp_members(const Json& via) {
  if (!via.is_object() || !via.contains("ecmp") || !via["ecmp"].is_array()) return {};
  return {via["ecmp"].begin(), via["ecmp"].end()};
}

}  // namespace weft::agent
