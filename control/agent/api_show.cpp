/// GET: the tables.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "agent/api_stream.hpp"
#include "agent/api_table.hpp"
#include "agent/vif_rules.hpp"

namespace weft::agent::api {

namespace {

std::string_view kind_text(NexthopUse::Kind kind) {
  switch (kind) {
    case NexthopUse::Kind::discard:
      return "discard";
    case NexthopUse::Kind::receive:
      return "receive";
    case NexthopUse::Kind::vrf:
      return "lookup";
    case NexthopUse::Kind::vif:
    case NexthopUse::Kind::neighbour:
    case NexthopUse::Kind::ways:
      return "interface";
    case NexthopUse::Kind::tunnel:
      return "tunnel";
    case NexthopUse::Kind::connected:
      return "glean";
    case NexthopUse::Kind::ecmp:
      return "ecmp";
  }
  return {};
}

std::string_view source_text(RouteSource source) {
  constexpr std::string_view names[] = {"own",       "moved",     "vif",    "configured",
                                        "connected", "neighbour", "gateway"};
  return names[static_cast<std::size_t>(source)];
}

const PortStatus* status_of(const std::vector<PortStatus>& ports, PortId id) {
  const auto found =
      std::find_if(ports.begin(), ports.end(), [&](const auto& status) { return status.id == id; });
  return found == ports.end() ? nullptr : &*found;
}

std::string_view link_text(const PortStatus* status) {
  return status == nullptr ? "gone" : status->link_up ? "up" : "down";
}

double rounded(double value) { return std::round(value * 10) / 10; }

Reply show_ports(Agent& agent, const Query&) {
  Table table("Fabric ports", {"name", "device", "vlan", "mac", "mtu", "addresses", "gateways",
                               "host", "link", "rx_queues", "owner"});
  const auto statuses = agent.plane().ports();
  for (const auto& [name, port] : agent.model().ports) {
    const auto* status = status_of(statuses, port.id);
    table.add({name, port.config.device, port.config.vlan == 0 ? Json() : Json(port.config.vlan),
               to_string(port.mac), port.mtu_bytes, texts(port.config.addresses),
               texts(port.config.gateways),
               port.config.host.empty() ? Json() : Json(port.config.host), link_text(status),
               status == nullptr ? 0 : status->rx_queues, owner_name(port.owner)});
  }
  return std::move(table).finish();
}

Reply show_vifs(Agent& agent, const Query&) {
  Table table("Virtual interfaces", {"name", "device", "vrf", "mac", "addresses", "mtu", "link",
                                     "anti_spoofing", "security_groups", "owner"});
  const auto statuses = agent.plane().ports();
  for (const auto& [name, vif] : agent.model().vifs) {
    const auto& config = vif.config;
    table.add({name, config.device, config.vrf, to_string(config.mac), texts(config.addresses),
               config.mtu_bytes, link_text(status_of(statuses, vif.port)), config.anti_spoofing,
               vif.host ? Json::array() : Json(groups_of(agent.model(), vif)),
               owner_text<VifConfig>(agent, name, vif.owner)});
  }
  return std::move(table).finish();
}

Reply show_security_groups(Agent& agent, const Query&) {
  Table table("Security groups", {"name", "members", "vifs", "ingress", "egress", "owner"});
  const auto& model = agent.model();
  const auto rules = [](const std::optional<std::vector<RuleConfig>>& list) {
    return list ? Json(list->size()) : Json();
  };
  for (const auto& [name, group] : model.security_groups) {
    Json vifs = Json::array();
    for (const auto& [vif_name, vif] : model.vifs) {
      const auto& groups = groups_of(model, vif);
      if (std::ranges::find(groups, name) != groups.end()) vifs.push_back(vif_name);
    }
    if (!table.add({name, texts(group.config.members), vifs, rules(group.config.ingress),
                    rules(group.config.egress),
                    owner_text<SecurityGroupConfig>(agent, name, group.owner)})) {
      break;
    }
  }
  return std::move(table).finish();
}

/// The rules that a VIF is under, in the order in which they are asked.
Reply show_policy(Agent& agent, const Query& query) {
  Table table("Policies in force", {"vif", "direction", "rule", "action", "takes", "from"});
  const auto& model = agent.model();
  const auto wanted = query.find("vif");
  if (wanted != query.end() && !model.vifs.contains(wanted->second)) {
    return no_such("vif", wanted->second, model.vifs);
  }
  const auto add = [&](const std::string& name, const VifPolicy& policy, bool egress) {
    const char* direction = egress ? "egress" : "ingress";
    if (policy.rules == nullptr) {
      if (!policy.id.valid()) return true;
      return table.add({name, direction, Json(), "deny", "anything",
                        "its security groups, which are not compiled yet"});
    }
    const PolicyRules& rules = egress ? policy.rules->policy.egress : policy.rules->policy.ingress;
    for (std::uint32_t i = 0; i < rules.rules.size(); ++i) {
      if (!table.add({name, direction, i + 1, action_text(rules.rules[i].action),
                      takes_text(rules.rules[i]), origin_text(*policy.rules, egress, i)})) {
        return false;
      }
    }
    return table.add({name, direction, Json(), action_text(rules.otherwise), "anything else",
                      origin_text(*policy.rules, egress, {})});
  };
  for (const auto& [name, vif] : model.vifs) {
    if (wanted != query.end() && wanted->second != name) continue;
    if (!add(name, vif.policy, true) || !add(name, vif.policy, false)) break;
  }
  return std::move(table).finish();
}

Reply show_vrfs(Agent& agent, const Query&) {
  Table table("VRFs", {"name", "id", "router_mac", "subnets", "routes", "owner"});
  const auto& model = agent.model();
  for (const auto& [name, vrf] : model.vrfs) {
    Json subnets = Json::array();
    for (const auto& subnet : vrf.config.subnets) {
      subnets.push_back(to_string(subnet.prefix) + " gateway " + to_string(subnet.gateway));
    }
    const auto& mac = vrf.config.router_mac;
    table.add({name, vrf.config.id, mac.zero() ? Json() : Json(to_string(mac)), subnets,
               model.ribs.at(vrf.id).slots().size(),
               owner_text<VrfConfig>(agent, name, vrf.owner)});
  }
  return std::move(table).finish();
}

Reply show_routes(Agent& agent, const Query& query) {
  Table table("Routes", {"vrf", "prefix", "via", "source", "owner"});
  const auto& model = agent.model();
  const auto wanted = query.find("vrf");
  if (wanted != query.end() && !model.vrfs.contains(wanted->second)) {
    return no_such("vrf", wanted->second, model.vrfs);
  }
  for (const auto& [name, vrf] : model.vrfs) {
    if (wanted != query.end() && wanted->second != name) continue;
    for (const auto& [prefix, slot] : model.ribs.at(vrf.id).slots()) {
      const auto& best = slot.front();
      const bool learned = best.source == RouteSource::neighbour;
      if (!table.add(
              {name, to_string(prefix), use_text(model, best.nexthop), source_text(best.source),
               learned ? "learned" : owner_text<RouteConfig>(agent, {name, prefix}, best.owner)})) {
        return std::move(table).finish();
      }
    }
  }
  return std::move(table).finish();
}

Reply show_nexthops(Agent& agent, const Query&) {
  Table table("Next hops", {"id", "kind", "to", "packets", "bytes"});
  for (const auto& [id, use] : agent.model().nexthops) {
    const auto count = agent.nexthop_count(id);
    if (!table.add({id.index(), kind_text(use.kind), use_text(agent.model(), id), count.packets,
                    count.bytes})) {
      break;
    }
  }
  return std::move(table).finish();
}

Reply show_neighbours(Agent& agent, const Query&) {
  Table table("Neighbours", {"port", "address", "mac", "state", "age_s", "owner"});
  const auto now = agent.now();
  const auto owner_of = [&](const NeighbourKey& key) {
    const auto found = agent.model().static_neighbours.find(key);
    const auto owner =
        found == agent.model().static_neighbours.end() ? Owner::file : found->second.owner;
    return owner_text<NeighbourConfig>(agent, key.address, owner);
  };
  for (const auto& [key, entry] : agent.neighbours().entries()) {
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - entry.since);
    const bool fixed = entry.state == NeighbourState::fixed;
    if (!table.add({agent.model().port_names.at(key.port), to_string(key.address),
                    entry.has_mac() ? Json(to_string(entry.mac)) : Json(), state_name(entry.state),
                    age.count(), fixed ? owner_of(key) : "learned"})) {
      break;
    }
  }
  return std::move(table).finish();
}

Reply show_bfd(Agent& agent, const Query&) {
  Table table("BFD sessions", {"port", "neighbour", "state", "remote_state", "diagnostic",
                               "interval_ms", "detection_ms", "sent", "received", "downs", "age_s",
                               "discriminator", "remote_discriminator"});
  const auto now = agent.now();
  for (const auto& status : agent.plane().bfd()) {
    for (const auto& [key, entry] : agent.bfd().entries()) {
      if (entry.status.id != status.id) continue;
      const auto age = std::chrono::duration_cast<std::chrono::seconds>(now - entry.since);
      table.add({agent.model().port_names.at(key.port), to_string(key.address),
                 state_name(status.state), state_name(status.remote_state),
                 bfd_diagnostic_text(status.diagnostic), status.transmit_us / 1000.0,
                 status.detect_us / 1000.0, status.sent, status.received, entry.downs, age.count(),
                 status.discriminator, status.remote_discriminator});
    }
  }
  return std::move(table).finish();
}

Reply show_drops(Agent& agent, const Query& query) {
  Table table("Drops", {"reason", "stage", "packets", "explanation"});
  const auto all = query.find("all");
  const bool zeros = all != query.end() && all->second != "0";
  const auto drops = agent.counters().drops;
  for (std::size_t i = 1; i < drop_reason_count; ++i) {
    if (drops[i] == 0 && !zeros) continue;
    const auto& info = drop_reasons[i];
    table.add({info.name, info.stage, drops[i], info.explanation});
  }
  return std::move(table).finish();
}

Reply show_stats(Agent& agent, const Query&) {
  Table table("Statistics", {"object", "counter", "value"});
  const auto counters = agent.counters();
  const auto statuses = agent.plane().ports();
  for (const auto& port : counters.ports) {
    const auto* status = status_of(statuses, port.port);
    const auto object =
        "port " + (status == nullptr ? std::to_string(port.port.index()) : status->name);
    table.add({object, "rx_packets", port.rx.packets});
    table.add({object, "rx_bytes", port.rx.bytes});
    table.add({object, "tx_packets", port.tx.packets});
    table.add({object, "tx_bytes", port.tx.bytes});
    table.add({object, "rx_no_buffer", port.rx_no_buffer});
  }
  for (std::size_t i = 0; i < punt_class_count; ++i) {
    const auto object = "punt " + std::string(class_name(static_cast<PuntClass>(i)));
    table.add({object, "accepted", counters.punts[i].accepted});
    table.add({object, "limited", counters.punts[i].limited});
  }
  for (std::size_t i = 0; i < size_event_count; ++i) {
    table.add({"size", size_events[i].name, counters.sizes[i]});
  }
  table.add({"buffers", "in_use", counters.buffers.in_use});
  table.add({"buffers", "total", counters.buffers.total});
  const auto sizes = agent.plane().table_sizes();
  table.add({"table fib", "bytes", sizes.fib_bytes});
  table.add({"table fib", "routes", sizes.routes});
  table.add({"table nexthop", "objects", sizes.nexthops});
  table.add({"table adjacency", "objects", sizes.adjacencies});
  table.add({"table decap", "objects", sizes.decaps});
  table.add({"table deferred", "objects", sizes.deferred});
  for (const auto family : {IpFamily::v4, IpFamily::v6}) {
    const std::string object = family == IpFamily::v4 ? "flow ipv4" : "flow ipv6";
    const auto flows = agent.plane().flow_counters(family);
    table.add({object, "sessions", flows.sessions});
    table.add({object, "capacity", flows.capacity});
    table.add({object, "opened", flows.opened});
    table.add({object, "expired", flows.expired});
    table.add({object, "evicted", flows.evicted});
    table.add({object, "cleared", flows.cleared});
    table.add({object, "refused", flows.refused});
    table.add({object, "memory_bytes", flows.memory_bytes});
    table.add({object, "hugepage_bytes", flows.hugepage_bytes});
  }
  return std::move(table).finish();
}

Reply show_workers(Agent& agent, const Query&) {
  Table table("Workers", {"lcore", "queues", "loops", "busy_percent", "packets", "handed_off",
                          "taken_over", "cycles_per_packet", "sleeps", "held"});
  const auto ratio = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  for (const auto& worker : agent.counters().workers) {
    const std::uint64_t handled = worker.packets - worker.handed_off + worker.taken_over;
    table.add({worker.lcore, worker.queues, worker.loops,
               rounded(100 * ratio(worker.busy_cycles, worker.total_cycles)), worker.packets,
               worker.handed_off, worker.taken_over, rounded(ratio(worker.busy_cycles, handled)),
               worker.sleeps, worker.held_packets});
  }
  return std::move(table).finish();
}

Reply show_stages(Agent& agent, const Query&) {
  Table table("Stages, one burst measured in many",
              {"lcore", "stage", "packets", "cycles_per_packet"});
  for (const auto& worker : agent.counters().workers) {
    for (const auto& stage : worker.stages) {
      const double packets = static_cast<double>(std::max<std::uint64_t>(stage.packets, 1));
      table.add({worker.lcore, std::string(stage.stage), stage.packets,
                 rounded(static_cast<double>(stage.cycles) / packets)});
    }
  }
  return std::move(table).finish();
}

struct Shown {
  std::string_view name;
  Reply (*show)(Agent&, const Query&);
};
constexpr Shown tables[] = {
    {"port", show_ports},       {"vif", show_vifs},
    {"vrf", show_vrfs},         {"route", show_routes},
    {"nexthop", show_nexthops}, {"tunnel", show_tunnels},
    {"decap", show_decaps},     {"neighbour", show_neighbours},
    {"drops", show_drops},      {"stats", show_stats},
    {"workers", show_workers},  {"observers", show_observers},
    {"stages", show_stages},    {"policy", show_policy},
    {"bfd", show_bfd},          {"security-group", show_security_groups},
    {"control", show_control},  {"profile", show_profiles},
};

}  // namespace

std::string use_text(const Model& model, NexthopId id) {
  const NexthopUse& use = model.nexthops.at(id);
  switch (use.kind) {
    case NexthopUse::Kind::discard:
      return "discard";
    case NexthopUse::Kind::receive:
      return use.name.empty() ? "this router" : "vif " + use.name;
    case NexthopUse::Kind::vrf:
      return "vrf " + use.name;
    case NexthopUse::Kind::vif:
      return "vif " + use.name;
    case NexthopUse::Kind::tunnel:
      return "tunnel " + use.name;
    case NexthopUse::Kind::connected:
      return "port " + use.name;
    case NexthopUse::Kind::neighbour:
      return "neighbour " + neighbour_text(model, use.neighbour);
    case NexthopUse::Kind::ways:
      return "neighbours " + ways_text(model, use.ways);
    case NexthopUse::Kind::ecmp: {
      std::string text = "ecmp";
      for (const NexthopId member : model.ecmp_groups.at(id).members) {
        text += (text.size() == 4 ? " " : ", ") + use_text(model, member);
      }
      return text;
    }
  }
  return {};
}

Reply show(Agent& agent, const std::string& name, const Query& query) {
  std::vector<std::string_view> names{"flow"};  // which api_flow.cpp shows
  for (const auto& table : tables) {
    if (table.name == name) return table.show(agent, query);
    names.push_back(table.name);
  }
  return Failure{404, "there is no table " + yaml::quoted(name) + yaml::did_you_mean(name, names)};
}

}  // namespace weft::agent::api
