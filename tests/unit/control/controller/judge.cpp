#include "unit/control/controller/judge.hpp"

#include "agent/config_loader.hpp"

namespace weft::controller::test {
namespace {

Json parse(const std::string& json) { return Json::parse(json); }

std::uint32_t number_of(const Json& object) {
  for (const auto* key : {"vni", "key", "label"}) {
    if (object.contains(key)) return object[key];
  }
  return 0;
}

const Node& node_at(const Model& model, const std::string& address) {
  for (const auto& [key, object] : model.objects()) {
    const auto* node = std::get_if<Node>(&object);
    if (node == nullptr) continue;
    for (const auto& own : node->tunnel_addresses) {
      if (to_string(own) == address) return *node;
    }
  }
  throw std::runtime_error("nobody has " + address);
}

}  // namespace

std::string broken(const Site& site) {
  for (const auto& [sender, node] : site.nodes) {
    for (const auto& [key, json] : node.objects) {
      if (!key.starts_with("tunnel/")) continue;
      const Json tunnel = parse(json);
      const std::string remote = tunnel["remote"];
      const auto family = parse_ip(remote)->family();
      const auto& to = node_at(site.model, remote);
      const auto& from = *site.model.find<Node>(Kind::node, sender);
      const auto local = std::ranges::find(from.tunnel_addresses, family, &IpAddress::family);
      bool let_in = false;
      const auto receiver = site.nodes.find(to.name);
      if (receiver == site.nodes.end()) return sender + " " + json + ": nobody is there";
      for (const auto& [other, text] : receiver->second.objects) {
        if (!other.starts_with("decap/")) continue;
        const Json decap = parse(text);
        if (decap["kind"] != tunnel["kind"] || number_of(decap) != number_of(tunnel)) continue;
        if (!receiver->second.objects.contains("vrf/" + decap["vrf"].get<std::string>())) continue;
        for (const auto& source : decap["sources"]) {
          let_in |= parse_prefix(source.get<std::string>())->contains(*local);
        }
      }
      if (!let_in) return sender + " sends " + json + " to " + to.name + ", who drops it";
    }
    for (const auto& [key, json] : node.objects) {
      if (!key.starts_with("route/")) continue;
      const Json route = parse(json);
      if (!node.objects.contains("vrf/" + route["vrf"].get<std::string>())) {
        return sender + ": " + key + " is in no VRF";
      }
      if (route["via"].contains("tunnel") &&
          !node.objects.contains("tunnel/" + route["via"]["tunnel"].get<std::string>())) {
        return sender + ": " + key + " leads into no tunnel";
      }
    }
  }
  return {};
}

std::set<std::string> naive(const Model& model) {
  std::map<std::string, Network> networks;
  std::map<std::string, Node> nodes;
  std::map<std::string, Numbers> numbers;
  std::map<std::string, std::set<std::string>> members;
  for (const auto& [key, object] : model.objects()) {
    if (const auto* n = std::get_if<Network>(&object)) networks.emplace(n->name, *n);
    if (const auto* n = std::get_if<Node>(&object)) nodes.emplace(n->name, *n);
    if (const auto* n = std::get_if<Numbers>(&object)) numbers.emplace(n->network, *n);
  }
  for (const auto& [key, object] : model.objects()) {
    if (const auto* n = std::get_if<Network>(&object)) {
      for (const auto& member : n->members) members[n->name].insert(member);
    }
    if (const auto* vm = std::get_if<Vm>(&object)) members[vm->network].insert(vm->node);
    if (const auto* m = std::get_if<Member>(&object)) members[m->network].insert(m->node);
    const auto* route = std::get_if<Route>(&object);
    if (route != nullptr && !route->node.empty()) members[route->network].insert(route->node);
  }
  const auto takes = [&](const std::string& importer, const std::string& exporter) {
    const auto targets = [&](const std::string& of, const auto& listed) {
      return listed.value_or(std::vector{"64512:" + std::to_string(numbers.at(of).id)});
    };
    const auto in = targets(importer, networks.at(importer).import_targets);
    const auto out = targets(exporter, networks.at(exporter).export_targets);
    return std::ranges::any_of(in, [&](const auto& t) { return std::ranges::count(out, t) > 0; });
  };
  std::set<std::string> out;
  std::set<std::string> tunnels;  // SENDER NETWORK RECEIVER
  for (const auto& [name, network] : networks) {
    const auto& own = numbers.at(name);
    std::map<std::string, std::set<IpAddress>> decaps;
    for (const auto& receiver : members[name]) {
      out.insert(receiver + ": vrf " + name + " " + std::to_string(own.id));
      for (const auto& [sender, from] : nodes) {
        bool sends = members[name].contains(sender);
        for (const auto& [other, unused] : networks) {
          sends |= members[other].contains(sender) && takes(other, name);
        }
        if (!sends || sender == receiver) continue;
        const auto& to = nodes.at(receiver);
        bool found = false;
        for (const auto kind : network.tunnels) {
          const auto can = [&](const Node& node) {
            return node.kinds.empty() || std::ranges::count(node.kinds, kind) > 0;
          };
          for (const auto family : {IpFamily::v4, IpFamily::v6}) {
            const auto a = std::ranges::find(from.tunnel_addresses, family, &IpAddress::family);
            const auto b = std::ranges::find(to.tunnel_addresses, family, &IpAddress::family);
            const bool both = a != from.tunnel_addresses.end() && b != to.tunnel_addresses.end();
            if (found || !both || !can(from) || !can(to)) continue;
            found = true;
            const bool mpls =
                kind == TunnelKind::mpls_over_udp || kind == TunnelKind::mpls_over_gre;
            const std::string by =
                std::string(describe(kind).name) + " " + std::to_string(mpls ? own.label : own.vni);
            out.insert(sender + ": tunnel " + name + "." + receiver + " " + by + " " +
                       to_string(*b));
            tunnels.insert(sender + " " + name + " " + receiver);
            decaps[receiver + ": decap " + name + " " + by].insert(*a);
          }
        }
      }
    }
    for (const auto& [decap, sources] : decaps) {
      for (const auto& source : sources) out.insert(decap + " from " + to_string(source));
    }
  }
  for (const auto& [key, object] : model.objects()) {
    if (const auto* route = std::get_if<Route>(&object)) {
      for (const auto& member : members[route->network]) {
        const std::string what = member + ": route " + key.name + " ";
        if (route->node.empty()) out.insert(what + "discard");
        const bool tunnel = tunnels.contains(member + " " + route->network + " " + route->node);
        if (tunnel) out.insert(what + route->network + "." + route->node);
      }
    }
    const auto* vm = std::get_if<Vm>(&object);
    if (vm == nullptr) continue;
    for (const auto& [name, network] : networks) {
      if (!network.inventory_routes || !takes(name, vm->network)) continue;
      for (const auto& member : members[name]) {
        if (!tunnels.contains(member + " " + vm->network + " " + vm->node)) continue;
        for (const auto& address : vm->addresses) {
          out.insert(member + ": route " + name + " " + to_string(IpPrefix::host(address)) + " " +
                     vm->network + "." + vm->node);
        }
      }
    }
  }
  return out;
}

std::set<std::string> found(const Site& site) {
  std::set<std::string> out;
  for (const auto& [name, node] : site.nodes) {
    for (const auto& [key, text] : node.objects) {
      const Json json = parse(text);
      const auto word = [&](const char* member) { return json[member].get<std::string>(); };
      const std::string number = std::to_string(number_of(json));
      if (key.starts_with("vrf/")) {
        out.insert(name + ": vrf " + word("name") + " " + json["id"].dump());
      } else if (key.starts_with("tunnel/")) {
        out.insert(name + ": tunnel " + word("name") + " " + word("kind") + " " + number + " " +
                   word("remote"));
      } else if (key.starts_with("decap/")) {
        for (const auto& [other, object] : site.model.objects()) {
          const auto* from = std::get_if<Node>(&object);
          if (from == nullptr) continue;
          for (const auto& address : from->tunnel_addresses) {
            for (const auto& source : json["sources"]) {
              if (!parse_prefix(source.get<std::string>())->contains(address)) continue;
              out.insert(name + ": decap " + word("vrf") + " " + word("kind") + " " + number +
                         " from " + to_string(address));
            }
          }
        }
      } else if (key.starts_with("route/")) {
        const auto& via = json["via"];
        out.insert(name + ": route " + word("vrf") + " " + word("prefix") + " " +
                   (via.contains("tunnel") ? via["tunnel"].get<std::string>() : "discard"));
      }
    }
  }
  return out;
}

std::string refused_by_weftd(const Site& site, const std::string& name) {
  const auto& node = *site.model.find<Node>(Kind::node, name);
  Json config{{"node", {{"name", name}, {"tunnel_address", Json::array()}}}};
  Json port{{"name", "fab0"}, {"device", "null:"}, {"addresses", Json::array()}};
  for (const auto& address : node.tunnel_addresses) {
    config["node"]["tunnel_address"].push_back(to_string(address));
    port["addresses"].push_back(to_string(address) + (address.is_v4() ? "/24" : "/64"));
  }
  config["ports"].push_back(port);
  for (const auto& [key, json] : site.nodes.at(name).objects) {
    const bool group = key.starts_with("security-group/");
    config[group ? "security_groups" : key.substr(0, key.find('/')) + "s"].push_back(parse(json));
  }
  const auto loaded = agent::parse_config(config.dump(), name);
  return loaded.diagnostics.empty() ? "" : agent::to_string(loaded.diagnostics.front());
}

}  // namespace weft::controller::test
