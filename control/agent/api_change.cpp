/// PUT and DELETE: routes and tunnels.

#include <charconv>

#include "agent/address_rules.hpp"
#include "agent/api_json.hpp"

namespace weft::agent::api {

namespace {

constexpr std::uint32_t max_vni = (1U << 24) - 1;

Reply changed(const std::string& message, const Result<Generation>& result) {
  if (!result) return Failure{409, result.error().message};
  return Json{{"message", message}, {"generation", *result}};
}

std::optional<PortRange> parse_range(std::string_view text) {
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto port = [](std::string_view digits) -> std::optional<std::uint16_t> {
    std::uint16_t value = 0;
    const auto* end = digits.data() + digits.size();
    const auto [at, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc{} || at != end || value == 0) return std::nullopt;
    return value;
  };
  const auto first = port(text.substr(0, dash));
  const auto last = port(text.substr(dash + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return PortRange{*first, *last};
}

/// The target of a route, its names not looked up yet.
RouteTarget read_target(const Json& json, std::optional<Failure>& failure) {
  Members via(json, "via", {"tunnel", "vif", "vrf", "gateway", "discard"});
  RouteTarget target;
  target.tunnel = via.text("tunnel").value_or("");
  target.vif = via.text("vif").value_or("");
  target.vrf = via.text("vrf").value_or("");
  target.gateway = via.address("gateway");
  target.discard = via.boolean("discard").value_or(false);
  if (via.has("discard") && !target.discard) via.fail("discard", "wanted true");
  failure = via.failure();
  if (!failure && json.size() != 1) {
    failure = Failure{400, "via: wanted exactly one of tunnel, vif, vrf, gateway and discard"};
  }
  return target;
}

std::optional<Failure> check_names(const Model& model, const RouteConfig& route) {
  const auto& via = route.via;
  if (!model.vrfs.contains(route.vrf)) return no_such("vrf", route.vrf, model.vrfs);
  if (!via.tunnel.empty() && !model.tunnels.contains(via.tunnel)) {
    return no_such("tunnel", via.tunnel, model.tunnels);
  }
  if (!via.vif.empty() && !model.vifs.contains(via.vif)) {
    return no_such("vif", via.vif, model.vifs);
  }
  if (!via.vrf.empty() && !model.vrfs.contains(via.vrf)) {
    return no_such("vrf", via.vrf, model.vrfs);
  }
  return std::nullopt;
}

std::string target_text(const RouteTarget& via) {
  if (!via.tunnel.empty()) return "via tunnel " + via.tunnel;
  if (!via.vif.empty()) return "to vif " + via.vif;
  if (!via.vrf.empty()) return "on in vrf " + via.vrf;
  if (via.gateway) return "via " + to_string(*via.gateway);
  return "nowhere: discard";
}

/// Reads what the body says of a profile over what `profile` holds already.
void read_profile(Members& body, TunnelProfile& profile) {
  if (const auto kind = body.text("kind")) {
    const auto* info = find_tunnel_kind(*kind);
    if (info == nullptr) {
      std::vector<std::string_view> names;
      for (const auto& known : tunnel_kinds) names.push_back(known.name);
      body.fail("kind", "no tunnel kind is called " + yaml::quoted(*kind) +
                            yaml::did_you_mean(*kind, names));
    } else if (profile.kind != info->kind) {
      profile.kind = info->kind;
      profile.destination_port = info->default_udp_port;
    }
  }
  if (const auto remote = body.address("remote")) {
    profile.remote = *remote;
    if (!is_unicast(*remote) || is_link_local(*remote)) {
      body.fail("remote", "wanted the address of another node, found " + to_string(*remote));
    }
  }
  if (const auto vni = body.number<std::uint32_t>("vni", 0, max_vni)) profile.vni = *vni;
  if (const auto port = body.number<std::uint16_t>("port", 1, 65535)) {
    profile.destination_port = *port;
  }
  if (const auto text = body.text("source_ports")) {
    const auto range = parse_range(*text);
    if (range) profile.source_ports = *range;
    if (!range) body.fail("source_ports", "wanted a range such as 49152-65535");
  }
  if (const auto mac = body.mac("inner_destination_mac")) {
    profile.inner_destination_mac = *mac;
    if (mac->zero() || mac->multicast()) {
      body.fail("inner_destination_mac", "wanted the MAC address of one router");
    }
  }
}

/// Takes the local address of the remote's family; a local address of that family stays.
std::optional<Failure> choose_local(const Model& model, TunnelProfile& profile, bool fresh) {
  if (fresh || profile.local.family() != profile.remote.family()) {
    const auto local = model.tunnel_address(profile.remote.family());
    if (!local) {
      return Failure{409, std::string("remote: node.tunnel_address has no ") +
                              (profile.remote.is_v4() ? "IPv4" : "IPv6") + " address to send from"};
    }
    profile.local = *local;
  }
  if (profile.local == profile.remote) {
    return Failure{409, "remote: " + to_string(profile.remote) +
                            " is this node's own address; name another node's"};
  }
  return std::nullopt;
}

}  // namespace

Reply put_route(Agent& agent, const Json& json) {
  Members body(json, "", {"vrf", "prefix", "via"});
  RouteConfig route;
  for (const auto* key : {"vrf", "prefix", "via"}) body.require(key);
  route.vrf = body.text("vrf").value_or("");
  route.prefix = body.prefix("prefix").value_or(IpPrefix{}).masked();
  if (body.failure()) return *body.failure();
  std::optional<Failure> failure;
  route.via = read_target(*body.find("via"), failure);
  if (!failure) failure = check_names(agent.model(), route);
  if (failure) return *failure;
  return changed(
      "route " + to_string(route.prefix) + " in " + route.vrf + " leads " + target_text(route.via),
      agent.resolver().put_route(route, Owner::api));
}

Reply delete_route(Agent& agent, const Json& json) {
  Members body(json, "", {"vrf", "prefix"});
  for (const auto* key : {"vrf", "prefix"}) body.require(key);
  const auto name = body.text("vrf").value_or("");
  const auto prefix = body.prefix("prefix").value_or(IpPrefix{}).masked();
  if (body.failure()) return *body.failure();
  const auto& model = agent.model();
  const auto vrf = model.vrfs.find(name);
  if (vrf == model.vrfs.end()) return no_such("vrf", name, model.vrfs);

  const auto& slot = model.ribs.at(vrf->second.id).at(prefix);
  const auto what = "route " + to_string(prefix) + " in " + name;
  if (slot.empty()) return Failure{404, "there is no " + what};
  const bool configured = std::any_of(slot.begin(), slot.end(), [](const auto& entry) {
    return entry.source == RouteSource::configured;
  });
  if (!configured) {
    return Failure{409, what + " follows from a port, vif, subnet or neighbour; change that"};
  }
  return changed(what + " is gone", agent.resolver().erase_route(name, prefix));
}

Reply put_tunnel(Agent& agent, const Json& json) {
  Members body(json, "",
               {"name", "remote", "vni", "port", "source_ports", "inner_destination_mac", "kind"});
  body.require("name");
  const auto& model = agent.model();
  TunnelConfig tunnel;
  tunnel.name = body.text("name").value_or("");
  const auto found = model.tunnels.find(tunnel.name);
  const bool fresh = found == model.tunnels.end();
  if (!fresh) {
    tunnel.profile = found->second.profile;
  } else if (!body.failure()) {
    for (const auto* key : {"kind", "vni", "remote", "inner_destination_mac"}) {
      if (body.has(key)) continue;
      auto failure = no_such("tunnel", tunnel.name, model.tunnels);
      failure.message += std::string(". To create it, give ") + key + " too";
      return failure;
    }
  }
  read_profile(body, tunnel.profile);
  if (body.failure()) return *body.failure();
  if (auto failure = choose_local(model, tunnel.profile, fresh)) return *failure;
  return changed("tunnel " + tunnel.name + (fresh ? " is new" : " has changed"),
                 agent.resolver().put_tunnel(tunnel, Owner::api));
}

}  // namespace weft::agent::api
