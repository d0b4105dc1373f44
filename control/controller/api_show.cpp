#include "controller/api_show.hpp"

#include <fmt/format.h>

#include "controller/path.hpp"

namespace weft::controller::api {
namespace {

class Table {
 public:
  Table(std::string title, std::vector<std::string> columns)
      : out_{{"title", std::move(title)}, {"columns", columns}, {"rows", Json::array()}},
        columns_(std::move(columns)) {}

  /// One value for each column, in their order.
  Json& add(std::vector<Json> values) {
    Json row = Json::object();
    for (std::size_t i = 0; i < columns_.size(); ++i) row[columns_[i]] = std::move(values[i]);
    return out_["rows"].emplace_back(std::move(row));
  }
  [[nodiscard]] Json finish() && { return std::move(out_); }

 private:
  Json out_;
  std::vector<std::string> columns_;
};

template <class Values>
Json texts(const Values& values) {
  Json out = Json::array();
  for (const auto& value : values) out.push_back(to_string(value));
  return out;
}

Json names(const std::set<std::string>& all) { return Json(all); }

std::string network_state(const Controller& controller, const Network& network) {
  const auto status = controller.rollout().network(network.name);
  std::string out;
  const auto say = [&](std::size_t count, const std::string& what) {
    if (count == 0) return;
    out += (out.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  };
  say(status.moving, "moving");
  say(status.leaving, "leaving");
  say(status.unreachable, "unreachable");
  for (const auto& node : status.waits_for) {
    const bool silent = controller.rollout().node(node, controller.now()).silent;
    out += (out.empty() ? "waits for " : ", waits for ") + node + (silent ? " (silent)" : "");
  }
  return out.empty() ? "settled" : out;
}

using Sessions = std::map<std::string, RouteServer::NodeStatus>;

Sessions sessions_of(const RouteServer* server) {
  Sessions out;
  if (server == nullptr) return out;
  for (auto& status : server->nodes()) out.emplace(status.node, std::move(status));
  return out;
}

/// `up, 192.0.2.1:40112`, or why there is none.
std::string session_text(const RouteServer::NodeStatus& status) {
  if (status.up) return "up, " + status.address;
  return status.cause.empty() ? "down" : "down: " + status.cause;
}

void add(const Controller& controller, const Sessions& sessions, Table& table,
         const Object& object) {
  if (const auto* o = std::get_if<Node>(&object)) {
    const auto status = controller.rollout().node(o->name, controller.now());
    const char* state = !status.refused.empty()        ? "refuses"
                        : status.silent                ? "silent"
                        : status.applied < status.told ? "waiting"
                                                       : "settled";
    const auto session = sessions.find(o->name);
    const bool heard_of = session != sessions.end();
    table.add({o->name, texts(o->tunnel_addresses), status.told, status.applied, state,
               status.refused.size(), heard_of ? session_text(session->second) : "none yet",
               heard_of ? session->second.routes : 0});
  } else if (const auto* device = std::get_if<Device>(&object)) {
    table.add({device->name, texts(device->addresses)});
  } else if (const auto* link = std::get_if<Link>(&object)) {
    table.add({link->name, link->ends, link->cost});
  } else if (const auto* group = std::get_if<SecurityGroupConfig>(&object)) {
    const auto count = [](const auto& rules) { return rules ? Json(rules->size()) : Json(); };
    table.add({group->name, texts(group->members), count(group->ingress), count(group->egress)});
  } else if (const auto* network = std::get_if<Network>(&object)) {
    const auto* numbers = controller.model().find<Numbers>(Kind::numbers, network->name);
    Json kinds = Json::array();
    for (const auto kind : network->tunnels) kinds.push_back(describe(kind).name);
    table.add({network->name, numbers->id, numbers->vni, numbers->label, std::move(kinds),
               names(controller.planner().members(network->name)),
               names(controller.planner().import_targets(*network)),
               names(controller.planner().export_targets(*network)),
               network_state(controller, *network)});
  } else if (const auto* vm = std::get_if<Vm>(&object)) {
    table.add({vm->name, vm->node, vm->network, to_string(vm->mac), texts(vm->addresses)});
  } else if (const auto* route = std::get_if<Route>(&object)) {
    table.add({route->network, to_string(route->prefix),
               route->node.empty() ? Json("discard") : Json(route->node)});
  }
}

std::vector<std::string> columns(Kind kind) {
  switch (kind) {
    case Kind::node:
      return {"name",  "tunnel addresses", "told",    "applied",
              "state", "refused",          "session", "routes"};
    case Kind::device:
      return {"name", "addresses"};
    case Kind::link:
      return {"name", "ends", "cost"};
    case Kind::security_group:
      return {"name", "members", "ingress", "egress"};
    case Kind::network:
      return {"name", "id", "vni", "label", "tunnels", "nodes", "import", "export", "state"};
    case Kind::vm:
      return {"name", "node", "network", "mac", "addresses"};
    case Kind::route:
      return {"network", "prefix", "leads to"};
    case Kind::numbers:
    case Kind::member:
      break;
  }
  return {};
}

/// The host of a VM, or the node or device itself.
Result<std::string> place(const Controller& controller, const std::string& name) {
  const Model& model = controller.model();
  if (const auto* vm = model.find<Vm>(Kind::vm, name)) return vm->node;
  if (model.find({Kind::node, name}) != nullptr || model.find({Kind::device, name}) != nullptr) {
    return name;
  }
  return Error{"there is no VM, node or device " + yaml::quoted(name) +
               model.did_you_mean({Kind::vm, name})};
}

}  // namespace

Json objects(const Controller& controller, Kind kind, const RouteServer* server) {
  Table table("", columns(kind));
  const Sessions sessions = kind == Kind::node ? sessions_of(server) : Sessions{};
  const auto& all = controller.model().objects();
  for (auto at = all.lower_bound({kind, ""}); at != all.end() && at->first.kind == kind; ++at) {
    add(controller, sessions, table, at->second);
  }
  Json out = std::move(table).finish();
  auto row = out["rows"].begin();
  for (auto at = all.lower_bound({kind, ""}); at != all.end() && at->first.kind == kind; ++at) {
    (*row++)["object"] = object_json(at->second);
  }
  return out;
}

Json conflicts(const Controller& controller) {
  Table table("", {"kind", "name", "said by", "why it waits"});
  for (const auto& [key, aside] : controller.ledger().aside()) {
    Json& row = table.add(
        {describe(key.kind).word, key.name, controller.ledger().find(key)->stamp.by, aside.reason});
    row["object"] = object_json(aside.object);
  }
  return std::move(table).finish();
}

Json controllers(const Peers* peers) {
  Table table(
      "", {"address", "state", "seconds", "told all", "objects told", "routes", "stale", "cause"});
  const auto now = std::chrono::steady_clock::now();
  for (const auto& peer : peers == nullptr ? std::vector<Peers::PeerStatus>() : peers->peers()) {
    const auto since = std::chrono::duration_cast<std::chrono::seconds>(now - peer.since).count();
    table.add({peer.address, peer.state == xmpp::ClientState::up ? "up" : "down", since,
               peer.complete, peer.told, peer.routes.routes, peer.routes.stale, peer.cause});
  }
  Json out = std::move(table).finish();
  out["listeners"] = peers == nullptr ? std::vector<std::string>() : peers->listeners();
  return out;
}

Json intents(const Controller& controller) {
  Json out = Json::object();
  for (const auto& [key, object] : controller.model().objects()) {
    const auto list = describe(key.kind).list;
    if (!list.empty()) out[std::string(list)].push_back(object_json(object));
  }
  return out;
}

Result<Json> profiles(const Controller& controller, const Query& query) {
  const auto wanted = query.find("node");
  std::vector<std::string> nodes;
  if (wanted == query.end()) {
    controller.model().each<Node>(Kind::node,
                                  [&](const Node& node) { nodes.push_back(node.name); });
  } else if (controller.model().find({Kind::node, wanted->second}) == nullptr) {
    return Error{"there is no node " + yaml::quoted(wanted->second) +
                 controller.model().did_you_mean({Kind::node, wanted->second})};
  } else {
    nodes.push_back(wanted->second);
  }
  Table table("", {"node", "kind", "name", "state"});
  for (const auto& node : nodes) {
    const auto status = controller.rollout().node(node, controller.now());
    const std::string common = status.silent                  ? "silent"
                               : status.applied < status.told ? "sent"
                                                              : "applied";
    for (const auto& [key, json] : controller.rollout().profiles(node)) {
      const auto refused = status.refused.find(key);
      const auto slash = key.find('/');
      Json& row =
          table.add({node, key.substr(0, slash), key.substr(slash + 1),
                     refused == status.refused.end() ? common : "refused: " + refused->second});
      row["object"] = Json::parse(json);
    }
  }
  return std::move(table).finish();
}

Result<Json> path(const Controller& controller, const Query& query) {
  const auto to = query.find("to");
  if (to == query.end()) return Error{"to: is missing; wanted a VM, a node or a device"};
  const auto host = place(controller, to->second);
  if (!host) return host.error();
  Json out{{"to", to->second}, {"host", *host}};
  if (const auto* node = controller.model().find<Node>(Kind::node, *host)) {
    out["tunnel_addresses"] = texts(node->tunnel_addresses);
  }
  if (const auto* vm = controller.model().find<Vm>(Kind::vm, to->second)) {
    out["network"] = vm->network;
    out["addresses"] = texts(vm->addresses);
  }
  const auto from = query.find("from");
  if (from == query.end()) return out;
  const auto start = place(controller, from->second);
  if (!start) return start.error();
  const auto found = find_path(controller.model(), *start, *host);
  if (!found) return found.error();
  out["from"] = from->second;
  out["hops"] = found->hops;
  out["links"] = found->links;
  out["cost"] = found->cost;
  return out;
}

std::string change_text(const ObjectChange& change) {
  std::string out = label(change.key);
  if (!change.before || !change.after) return out;
  const Json before = object_json(*change.before);
  const Json after = object_json(*change.after);
  const auto value = [](const Json& object, const std::string& key) {
    return object.contains(key) ? object[key].dump() : std::string("nothing");
  };
  std::string all;
  const auto compare = [&](const Json& object) {
    for (const auto& [key, unused] : object.items()) {
      const bool seen = &object == &after && before.contains(key);
      const auto was = value(before, key);
      const auto is = value(after, key);
      if (seen || was == is) continue;
      all += fmt::format("{}{}: {} → {}", all.empty() ? ": " : "; ", key, was, is);
    }
  };
  compare(before);
  compare(after);
  return out + all;
}

}  // namespace weft::controller::api
