/// GET: tunnels and decaps.

#include <algorithm>

#include "agent/api_table.hpp"
#include "agent/tunnel_names.hpp"

namespace weft::agent::api {

namespace {

/// Why packets do not go by a neighbour; empty: they do.
std::string way_state(const Model& model, const NeighbourKey& key) {
  const auto& a = model.adjacencies.at(key);
  if (!a.link_up) return "link of " + model.port_names.at(key.port) + " down";
  if (a.mac && !a.alive) return "BFD down with " + to_string(key.address);
  if (a.mac) return "";
  return std::string("waiting for ") + (key.address.is_v4() ? "ARP" : "ND") + " of " +
         to_string(key.address);
}

std::string tunnel_state(const Model& model, const TunnelObject& tunnel) {
  if (tunnel.via.empty()) return "no route";
  std::string wrong;
  std::size_t usable = 0;
  for (const auto& key : tunnel.via) {
    const auto state = way_state(model, key);
    if (!state.empty()) wrong += (wrong.empty() ? "" : ", ") + state;
    usable += state.empty() ? 1 : 0;
  }
  if (wrong.empty() || usable == 0) return wrong.empty() ? "resolved" : wrong;
  return "resolved by " + std::to_string(usable) + " of " + std::to_string(tunnel.via.size()) +
         ": " + wrong;
}

/// Nothing where the kind has no networks.
Json network_or_none(TunnelKind kind, std::uint32_t network,
                     const std::vector<std::uint32_t>& labels) {
  if (describe(kind).network.empty()) return {};
  return network_text(kind, network, labels);
}
/// Of a tunnel.
Json network_or_none(const TunnelProfile& p) {
  return p.payload == TunnelPayload::nsh ? Json() : network_or_none(p.kind, p.vni, p.labels);
}
/// Where a decap leads.
std::string target_text(const DecapConfig& config) {
  std::string text;
  if (config.kind == TunnelKind::srv6) text = std::string(behaviour_text(config.behaviour));
  const auto add = [&](const std::string& what, const std::string& name) {
    if (!name.empty()) text += (text.empty() ? "" : " ") + what + " " + name;
  };
  add("vrf", config.vrf);
  add("vif", config.vif);
  add("tunnel", config.tunnel);
  add("gateway", config.gateway ? to_string(*config.gateway) : "");
  return text;
}
Json udp_port(std::uint16_t port) { return port == 0 ? Json() : Json(port); }
Json local_address(TunnelKind kind, const IpAddress& local) {
  return describe(kind).on_ethernet ? Json() : Json(to_string(local));
}

/// What one decap has let in, by the marks of the packets.
Reply show_marks(Agent& agent, const std::string& name) {
  const auto& model = agent.model();
  const auto decap = model.decaps.find(name);
  if (decap == model.decaps.end()) return no_such("decap", name, model.decaps);
  Table table("What decap " + name + " has let in", {"mark", "bits", "mask", "packets", "bytes"});
  const auto& entry = model.decap_entries.at(key_of(decap->second.config));
  PacketCount others = agent.decap_count(entry);
  for (const DecapMark& mark : decap->second.config.marks) {
    const auto count = agent.decap_count(entry.marks.at(mark.name));
    others -= count;
    table.add({mark.name, header_bits_text(mark.bits), header_bits_text(mark.mask), count.packets,
               count.bytes});
  }
  table.add({Json(), Json(), Json(), others.packets, others.bytes});
  return std::move(table).finish();
}

}  // namespace

Reply show_tunnels(Agent& agent, const Query&) {
  Table table("Tunnels", {"name", "kind", "network", "local", "remote", "port", "source_ports",
                          "ttl", "dscp", "via", "state", "path_mtu", "packets", "bytes", "owner"});
  const auto& model = agent.model();
  for (const auto& [name, tunnel] : model.tunnels) {
    const auto& p = tunnel.profile;
    const auto count = agent.nexthop_count(tunnel.nexthop);
    const auto mtu = path_mtu(model, tunnel);
    if (!table.add({name, describe(p.kind).name, network_or_none(p), local_address(p.kind, p.local),
                    to_string(p.remote), udp_port(p.destination_port),
                    p.destination_port == 0 ? Json()
                                            : Json(std::to_string(p.source_ports.first) + "-" +
                                                   std::to_string(p.source_ports.last)),
                    number_or_copy(p.ttl, p.copy_ttl), number_or_copy(p.dscp, p.copy_dscp),
                    tunnel.via.empty() ? Json() : Json(ways_text(model, tunnel.via)),
                    tunnel_state(model, tunnel), mtu ? Json(*mtu) : Json(), count.packets,
                    count.bytes, owner_text<TunnelConfig>(agent, name, tunnel.owner)})) {
      break;
    }
  }
  return std::move(table).finish();
}

Reply show_decaps(Agent& agent, const Query& query) {
  if (const auto name = query.find("name"); name != query.end()) {
    return show_marks(agent, name->second);
  }
  // Profiles that share an entry of the data plane share its counters.
  Table table("Decapsulation", {"name", "kind", "port", "network", "local", "sources", "dscp", "to",
                                "entry", "marks", "packets", "bytes", "owner"});
  const auto& model = agent.model();
  for (const auto& [name, decap] : model.decaps) {
    const auto& config = decap.config;
    const auto& entry = model.decap_entries.at(key_of(config));
    const auto count = agent.decap_count(entry);
    Json marks = Json::array();
    for (const DecapMark& mark : config.marks) marks.push_back(mark.name);
    if (!table.add({name, describe(config.kind).name, udp_port(config.destination_port),
                    network_or_none(config.kind, config.vni, config.labels),
                    local_address(config.kind, config.local), texts(config.sources),
                    config.copy_dscp ? "copy" : "keep", target_text(config), entry.id.index(),
                    std::move(marks), count.packets, count.bytes,
                    owner_text<DecapConfig>(agent, name, decap.owner)})) {
      break;
    }
  }
  return std::move(table).finish();
}

}  // namespace weft::agent::api
