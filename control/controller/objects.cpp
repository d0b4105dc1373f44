#include "controller/objects.hpp"

#include <algorithm>

namespace weft::controller {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;  // clang 14 does not find it by itself

std::vector<Key> keys(Kind kind, const std::vector<std::string>& names) {
  std::vector<Key> out;
  for (const auto& name : names) out.push_back({kind, name});
  return out;
}

template <class Values>
Json texts(const Values& values) {
  Json out = Json::array();
  for (const auto& value : values) out.push_back(to_string(value));
  return out;
}

Json kinds_json(const std::vector<TunnelKind>& kinds) {
  Json out = Json::array();
  for (const TunnelKind kind : kinds) out.push_back(describe(kind).name);
  return out;
}

Json features_json(const TunnelFeatures& features) {
  Json out = Json::object();
  if (features.copy_ttl) {
    out["ttl"] = "copy";
  } else if (features.ttl) {
    out["ttl"] = *features.ttl;
  }
  if (features.copy_dscp) {
    out["dscp"] = "copy";
  } else if (features.dscp) {
    out["dscp"] = *features.dscp;
  }
  if (features.outer_fragmentation) out["outer_fragmentation"] = *features.outer_fragmentation;
  if (features.mss_clamp.mode == MssClamp::Mode::automatic) out["mss_clamp"] = "auto";
  if (features.mss_clamp.mode == MssClamp::Mode::fixed) out["mss_clamp"] = features.mss_clamp.bytes;
  return out;
}

Json network_json(const Network& network) {
  Json out{{"name", network.name}, {"subnets", Json::array()}};
  for (const auto& subnet : network.subnets) {
    out["subnets"].push_back(
        {{"prefix", to_string(subnet.prefix)}, {"gateway", to_string(subnet.gateway)}});
  }
  if (!network.members.empty()) out["members"] = network.members;
  out["tunnels"] = kinds_json(network.tunnels);
  if (network.id) out["id"] = *network.id;
  if (network.vni) out["vni"] = *network.vni;
  if (network.label) out["label"] = *network.label;
  if (network.router_mac != agent::default_router_mac) {
    out["router_mac"] = to_string(network.router_mac);
  }
  if (network.import_targets) out["import"] = *network.import_targets;
  if (network.export_targets) out["export"] = *network.export_targets;
  if (!network.security_groups.empty()) out["security_groups"] = network.security_groups;
  if (auto features = features_json(network.features); !features.empty()) {
    out["features"] = std::move(features);
  }
  if (network.inventory_routes) out["routes"] = "inventory";
  return out;
}

}  // namespace

std::string label(const Key& key) { return std::string(describe(key.kind).word) + " " + key.name; }

Key key_of(const Object& object) {
  return std::visit(Overloaded{
                        [](const Node& o) {
                          return Key{Kind::node, o.name};
                        },
                        [](const Device& o) {
                          return Key{Kind::device, o.name};
                        },
                        [](const Link& o) {
                          return Key{Kind::link, o.name};
                        },
                        [](const SecurityGroupConfig& o) {
                          return Key{Kind::security_group, o.name};
                        },
                        [](const Network& o) {
                          return Key{Kind::network, o.name};
                        },
                        [](const Vm& o) {
                          return Key{Kind::vm, o.name};
                        },
                        [](const Route& o) {
                          return Key{Kind::route, o.network + " " + to_string(o.prefix)};
                        },
                        [](const Numbers& o) {
                          return Key{Kind::numbers, o.network};
                        },
                        [](const Member& o) {
                          return Key{Kind::member, o.network + " " + o.node};
                        },
                    },
                    object);
}

std::vector<Key> references(const Object& object) {
  return std::visit(
      Overloaded{
          [](const Node&) { return std::vector<Key>{}; },
          [](const Device&) { return std::vector<Key>{}; },
          // An end is a node or a device, which Model looks into itself.
          [](const Link&) { return std::vector<Key>{}; },
          [](const SecurityGroupConfig& o) {
            std::vector<Key> out;
            for (const auto* rules : {&o.ingress, &o.egress}) {
              for (const auto& rule : rules->value_or(std::vector<agent::RuleConfig>{})) {
                for (const auto* peers : {&rule.from, &rule.to}) {
                  for (const auto& peer : *peers) {
                    if (!peer.group.empty()) out.push_back({Kind::security_group, peer.group});
                  }
                }
              }
            }
            return out;
          },
          [](const Network& o) {
            auto out = keys(Kind::node, o.members);
            for (auto& key : keys(Kind::security_group, o.security_groups)) out.push_back(key);
            return out;
          },
          [](const Vm& o) {
            return std::vector<Key>{{Kind::node, o.node}, {Kind::network, o.network}};
          },
          [](const Route& o) {
            std::vector<Key> out{{Kind::network, o.network}};
            if (!o.node.empty()) out.push_back({Kind::node, o.node});
            return out;
          },
          [](const Numbers& o) {
            return std::vector<Key>{{Kind::network, o.network}};
          },
          [](const Member& o) {
            return std::vector<Key>{{Kind::network, o.network}, {Kind::node, o.node}};
          },
      },
      object);
}

std::vector<std::string> claims(const Object& object) {
  std::vector<std::string> out;
  if (const auto* node = std::get_if<Node>(&object)) {
    out.push_back("the name " + node->name);
    for (const auto& a : node->tunnel_addresses) out.push_back("the address " + to_string(a));
  } else if (const auto* device = std::get_if<Device>(&object)) {
    out.push_back("the name " + device->name);  // links name both
    for (const auto& a : device->addresses) out.push_back("the address " + to_string(a));
  } else if (const auto* vm = std::get_if<Vm>(&object)) {
    const std::string where = " in network " + vm->network;
    out.push_back("the MAC address " + to_string(vm->mac) + where);
    for (const auto& a : vm->addresses) out.push_back("the address " + to_string(a) + where);
  } else if (const auto* numbers = std::get_if<Numbers>(&object)) {
    out.push_back("the id " + std::to_string(numbers->id));
    out.push_back("the VNI " + std::to_string(numbers->vni));
    out.push_back("the label " + std::to_string(numbers->label));
  }
  return out;
}

Json object_json(const Object& object) {
  return std::visit(
      Overloaded{
          [](const Node& o) {
            Json out{{"name", o.name}, {"tunnel_addresses", texts(o.tunnel_addresses)}};
            if (!o.kinds.empty()) out["kinds"] = kinds_json(o.kinds);
            return out;
          },
          [](const Device& o) {
            return Json{{"name", o.name}, {"addresses", texts(o.addresses)}};
          },
          [](const Link& o) {
            return Json{{"name", o.name}, {"ends", o.ends}, {"cost", o.cost}};
          },
          [](const SecurityGroupConfig& o) { return agent::object_json(o, {}); },
          [](const Network& o) { return network_json(o); },
          [](const Vm& o) {
            return Json{{"name", o.name},
                        {"node", o.node},
                        {"network", o.network},
                        {"mac", to_string(o.mac)},
                        {"addresses", texts(o.addresses)}};
          },
          [](const Route& o) {
            Json out{{"network", o.network}, {"prefix", to_string(o.prefix)}};
            if (o.node.empty()) {
              out["discard"] = true;
            } else {
              out["node"] = o.node;
            }
            return out;
          },
          [](const Numbers& o) {
            return Json{{"network", o.network}, {"id", o.id}, {"vni", o.vni}, {"label", o.label}};
          },
          [](const Member& o) {
            return Json{{"network", o.network}, {"node", o.node}};
          },
      },
      object);
}

std::vector<std::string_view> network_kinds() {
  std::vector<std::string_view> out;
  for (const auto& info : tunnel_kinds) {
    if (!info.network.empty() && !info.on_ethernet && !has_nsh(info.kind)) out.push_back(info.name);
  }
  return out;
}

}  // namespace weft::controller
