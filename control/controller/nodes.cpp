#include "controller/nodes.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "controller/document.hpp"

namespace weft::controller {

namespace {

/// `KIND/NAME` as the channel has it.
channel::ProfileName name_of(const std::string& key) {
  const auto slash = key.find('/');
  return {key.substr(0, slash), key.substr(slash + 1)};
}

std::vector<vpn::RouteTarget> targets(const std::set<std::string>& texts) {
  std::vector<vpn::RouteTarget> out;
  for (const auto& text : texts) {
    if (const auto value = vpn::parse_administered(text)) out.emplace_back(*value);
  }
  return out;
}

}  // namespace

Nodes::Nodes(boost::asio::io_context& io, Controller& core, Peers& peers, RouteServerTimers timers)
    : core_(core),
      peers_(peers),
      server_(io, tables_, timers, handlers()),
      routes_(io, tables_, {.stale = timers.stale, .restart = timers.restart}, peer_handlers()) {
  peers_.carry(&routes_);
  core_.on_profiles = [this](const RolloutStep& step) { tell(step); };
  core_.on_trouble = [this] {
    if (peers_.anyone()) server_.end_sessions("the controller cannot keep its state");
  };
  core_.on_restart = [this] {
    constexpr auto cause = "the controller has read its state anew";
    server_.end_sessions(cause);
    peers_.end_sessions(cause);
  };
  core_.on_objects = [this](const Changes& changes) { objects_changed(changes); };
}

Nodes::~Nodes() { peers_.carry(nullptr); }

Status Nodes::listen(const Config& config) {
  core_.model().each<Network>(Kind::network,
                              [&](const Network& network) { put_network(network.name); });
  std::set<std::string> known;
  core_.model().each<Node>(Kind::node, [&](const Node& node) { known.insert(node.name); });
  auto tls = xmpp::TlsContext::load(
      {.ca = config.tls->ca, .cert = config.tls->cert, .key = config.tls->key});
  if (!tls) return Error{"tls: " + tls.error().message};
  xmpp::ServerOptions options;
  options.address = config.listen->address;
  options.port = config.listen->port;
  options.self = {controllers_name, config.domain, "bgp-peer"};
  options.tls = *tls;
  options.session.hold = config.hold;
  if (auto named = (*tls)->names(options.self.bare()); !named) {
    return Error{config.tls->cert + ": " + named.error().message};
  }
  const auto authorize = [this](const xmpp::Jid& who) -> Status {
    if (who.local == controllers_name) return ok();
    if (!core_.trouble().empty() && peers_.anyone()) {
      return Error{"this controller cannot keep its state, but another can: " + core_.trouble()};
    }
    if (peers_.heard_all()) return ok();
    return Error{"this controller has yet to hear what others of the site know; try again"};
  };
  return server_.listen(std::move(options), authorize, std::move(known));
}

Status Nodes::renew_certificates(const Config& config) {
  if (!config.tls || !config.listen) return ok();
  auto tls = xmpp::TlsContext::load(
      {.ca = config.tls->ca, .cert = config.tls->cert, .key = config.tls->key});
  if (!tls) return tls.error();
  if (auto used = peers_.use(*tls); !used) return used;
  return server_.use(*std::move(tls));
}

RouteServer::Handlers Nodes::handlers() {
  RouteServer::Handlers out;
  out.profiles = [this](const std::string& node) { return profiles_of(node); };
  out.applied = [this](const std::string& node, const channel::Applied& applied) -> Status {
    std::map<std::string, std::string> refused;
    for (const auto& [id, why] : applied.refused) {
      refused.emplace(channel::profile_item_id(id), why);
    }
    return core_.applied(node, applied.generation, refused);
  };
  out.session = [this](const std::string& node, bool up) {
    // It says again what it wants when it is back.
    if (!up) wanted_.erase(node);
  };
  out.controller = [this](const auto& session) { peers_.serve(session); };
  out.described = [this](const std::string& node, const std::string& json) {
    learn(node, Json::parse(json, nullptr, false));
  };
  out.member = [this](const std::string& node, const std::string& network, bool member) {
    take_member(node, network, member || routes_.member(node, network));
    routes_.set_member(node, network, member);
  };
  out.preference = [this](const std::string& network) { return preference(network); };
  out.others_told = [this] { return routes_.heard_all(); };
  out.tick = [this](auto now) { routes_.tick(now); };
  return out;
}

PeerRoutes::Handlers Nodes::peer_handlers() {
  PeerRoutes::Handlers out;
  out.preference = [this](const std::string& network) { return preference(network); };
  out.changed = [this] { server_.tables_changed(); };
  out.member = [this](const std::string& node, const std::string& network, bool member) {
    take_member(node, network, member || server_.subscribed(node, network));
  };
  out.nodes_back = [this] { return server_.nodes_back(); };
  return out;
}

vpn::EncapsulationList Nodes::preference(const std::string& name) const {
  vpn::EncapsulationList list;
  const auto* network = core_.model().find<Network>(Kind::network, name);
  if (network == nullptr) return list;
  for (const auto kind : network->tunnels) {
    if (const auto encapsulation = vpn::encapsulation_of(kind)) list.add(*encapsulation);
  }
  return list;
}

RouteServer::AllProfiles Nodes::profiles_of(const std::string& node) const {
  RouteServer::AllProfiles out{.generation = core_.rollout().generation(), .profiles = {}};
  for (const auto& [key, json] : core_.rollout().profiles(node)) {
    out.profiles.push_back({.id = name_of(key), .generation = out.generation, .json = json});
  }
  // In the order in which objects rest on each other.
  std::ranges::stable_sort(out.profiles, {}, [](const channel::Profile& profile) {
    constexpr std::array order{"security-group", "vrf", "tunnel", "decap", "route"};
    return std::ranges::find(order, profile.id.kind) - order.begin();
  });
  return out;
}

void Nodes::tell(const RolloutStep& step) {
  std::map<std::string, std::vector<RouteServer::ProfileChange>> by_node;
  for (const auto& [node, key, json] : step.changes) {
    by_node[node].push_back({name_of(key), json.empty() ? std::nullopt : std::optional(json)});
  }
  for (const auto& [node, changes] : by_node) server_.tell(node, step.generation, changes);
}

/// A node says of itself what an operator could say of it. One of the inventory is not overruled.
void Nodes::learn(const std::string& node, const Json& told) {
  auto object = told.is_object() ? read_json(Kind::node, told)
                                 : Result<Object>(Error{"it is no JSON object"});
  if (object && key_of(*object).name != node) {
    object = Error{"it speaks of " + key_of(*object).name};
  }
  if (!object) {
    SPDLOG_WARN("node {}: what it says of itself is not understood: {}", node,
                object.error().message);
    return;
  }
  if (core_.model().find({Kind::node, node}) != nullptr) return;
  change({{{Kind::node, node}, *std::move(object)}});
}

void Nodes::take_member(const std::string& node, const std::string& network, bool member) {
  const Member wanted{.network = network, .node = node};
  if (!member) {
    wanted_[node].erase(network);
    if (core_.model().find(key_of(wanted)) != nullptr) change({{key_of(wanted), std::nullopt}});
    return;
  }
  wanted_[node].insert(network);
  add_members(node, {network});
}

/// Of networks that the node wants; once both are in the model.
void Nodes::add_members(const std::string& node, const std::set<std::string>& networks) {
  const auto& model = core_.model();
  if (model.find({Kind::node, node}) == nullptr) return;
  std::vector<Edit> edits;
  for (const auto& network : networks) {
    if (model.find({Kind::network, network}) == nullptr) continue;
    wanted_[node].erase(network);
    const Member member{.network = network, .node = node};
    if (model.find(key_of(member)) == nullptr) edits.push_back({key_of(member), member});
  }
  if (!edits.empty()) change(std::move(edits));
}

void Nodes::change(std::vector<Edit> edits) {
  const auto what = label(edits.front().key);
  core_.change(std::move(edits), [what](const Result<Changes>& done) {
    if (!done) SPDLOG_WARN("{}: {}", what, done.error().message);
  });
}

void Nodes::objects_changed(const Changes& changes) {
  bool networks = false;
  for (const auto& change : changes.objects) {
    if (change.key.kind == Kind::node && change.after) {
      add_members(change.key.name, std::set(wanted_[change.key.name]));
    }
    if (change.key.kind != Kind::network) continue;
    networks = true;
    if (change.after) {
      put_network(change.key.name);
      if (!change.before) routes_.network_comes(change.key.name);
    } else if (const auto id = tables_.find_network(change.key.name)) {
      server_.network_goes(change.key.name);
      routes_.network_goes(change.key.name);
      tables_.remove_network(*id);
    }
  }
  if (!networks) return;
  server_.networks_changed();  // which tells of members again
  routes_.networks_changed();
}

void Nodes::put_network(const std::string& name) {
  const auto* network = core_.model().find<Network>(Kind::network, name);
  const auto* numbers = core_.model().find<Numbers>(Kind::numbers, name);
  if (network == nullptr || numbers == nullptr) return;
  const vpn::RouteDistinguisher rd(vpn::Administered{vpn::AdministratorType::as4, 0, numbers->id});
  const auto put =
      tables_.set_network({.name = name,
                           .rd = rd,
                           .import_targets = targets(core_.planner().import_targets(*network)),
                           .export_targets = targets(core_.planner().export_targets(*network))});
  if (!put) SPDLOG_ERROR("network {}: {}", name, put.error().message);
}

}  // namespace weft::controller
