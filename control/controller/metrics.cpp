#include "controller/metrics.hpp"

#include "agent/metrics.hpp"

namespace weft::controller {
namespace {

using agent::MetricsText;

void write_core(MetricsText& out, const Controller& controller) {
  out.family("weft_controller_generation", "gauge", "Of the profiles that nodes are told.");
  out.sample({}, controller.rollout().generation());
  out.family("weft_controller_objects", "gauge", "Objects, by their kind.");
  std::map<Kind, std::uint64_t> objects;
  for (const auto& [key, object] : controller.model().objects()) ++objects[key.kind];
  for (const auto& info : spoken_kinds()) {
    out.sample({{"kind", std::string(info.word)}}, objects[info.kind]);
  }
  std::uint64_t silent = 0;
  controller.model().each<Node>(Kind::node, [&](const Node& node) {
    silent += controller.rollout().node(node.name, controller.now()).silent;
  });
  out.family("weft_controller_silent_nodes", "gauge", "Nodes for whose answers nobody waits.");
  out.sample({}, silent);
  out.family("weft_controller_healthy", "gauge", "Whether the state can be changed.");
  out.sample({}, std::uint64_t{controller.trouble().empty()});
}

void write_nodes(MetricsText& out, const RouteServer& server) {
  const auto nodes = server.nodes();
  const auto each = [&](const char* name, const char* help, auto&& value) {
    out.family(name, "gauge", help);
    for (const auto& node : nodes) {
      out.sample({{"node", node.node}}, static_cast<std::uint64_t>(value(node)));
    }
  };
  using Status = RouteServer::NodeStatus;
  each("weft_controller_session_up", "Whether the node has a session.",
       [](const Status& s) { return s.up; });
  each("weft_controller_node_routes", "Routes that the node tells.",
       [](const Status& s) { return s.routes; });
  each("weft_controller_node_stale_routes", "Of these, told by a session that ended.",
       [](const Status& s) { return s.stale; });
}

void write_peers(MetricsText& out, const Peers& peers) {
  out.family("weft_controller_peer_up", "gauge", "Whether the other controller has a session.");
  const auto all = peers.peers();
  for (const auto& peer : all) {
    out.sample({{"controller", peer.address}}, std::uint64_t{peer.state == xmpp::ClientState::up});
  }
  out.family("weft_controller_peer_routes", "gauge", "Routes of its nodes that it tells.");
  for (const auto& peer : all) {
    out.sample({{"controller", peer.address}}, std::uint64_t{peer.routes.routes});
  }
  out.family("weft_controller_peer_stale_routes", "gauge",
             "Of these, told by a session that ended.");
  for (const auto& peer : all) {
    out.sample({{"controller", peer.address}}, std::uint64_t{peer.routes.stale});
  }
}

void write_commits(MetricsText& out, const store::CommitTimes& times) {
  out.family("weft_controller_commit_seconds", "summary",
             "From a change to its being on the disk.");
  out.sample({}, times.sum.count(), "_sum");
  out.sample({}, static_cast<double>(times.commits), "_count");
  out.family("weft_controller_commit_failures_total", "counter", "Changes that the disk refused.");
  out.sample({}, times.failures);
}

}  // namespace

std::string metrics_text(const Controller& controller, const MetricSources& sources,
                         const std::map<std::string, std::uint64_t>& requests) {
  MetricsText out;
  write_core(out, controller);
  if (sources.route_server != nullptr) write_nodes(out, *sources.route_server);
  if (sources.peers != nullptr) write_peers(out, *sources.peers);
  out.family("weft_controller_conflicts", "gauge", "Objects that have no place among the others.");
  out.sample({}, std::uint64_t{controller.ledger().aside().size()});
  if (sources.commits) write_commits(out, *sources.commits);
  out.family("weft_controller_api_requests_total", "counter", "Requests to the API, by method.");
  for (const auto& [method, count] : requests) out.sample({{"method", method}}, count);
  return std::move(out).take();
}

}  // namespace weft::controller
