#include "controller/route_server.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "channel/route_codec.hpp"
#include "xmpp/stanza.hpp"

namespace weft::controller {

namespace {

using namespace std::chrono_literals;
namespace pubsub = xmpp::pubsub;

constexpr std::size_t changes_a_delivery = 64;
constexpr std::size_t deliveries_a_turn = 32;
constexpr std::size_t work_a_turn = 2000;
constexpr std::size_t most_unassociated =
    4096;                                     ///< routes of a node, published into no network yet
constexpr std::size_t most_unplaced = 65536;  ///< and those whose network is not there
constexpr std::size_t most_networks = 4096;   ///< that a node subscribes to
constexpr auto tick_period = 250ms;

xmpp::Text end_of_rib() {
  static const auto text =
      xmpp::encode(pubsub::build(pubsub::Event{.node = std::string(pubsub::end_of_rib)}));
  return text;
}

}  // namespace

RouteServer::RouteServer(boost::asio::io_context& io, vpn::VpnTables& tables,
                         RouteServerTimers timers, Handlers handlers)
    : io_(io),
      tables_(tables),
      timers_(timers),
      handlers_(std::move(handlers)),
      tick_(io),
      turns_(io, [this] { turn(); }) {}

RouteServer::~RouteServer() = default;

Status RouteServer::listen(xmpp::ServerOptions options, xmpp::Server::Authorize authorize,
                           std::set<std::string> known) {
  expected_ = std::move(known);
  auto server = xmpp::Server::listen(io_, std::move(options),
                                     {.on_session = [this](const auto& session) { up(session); },
                                      .on_refused =
                                          [](const std::string& address, const std::string& cause) {
                                            SPDLOG_WARN("{}: no session: {}", address, cause);
                                          },
                                      .authorize = std::move(authorize)});
  if (!server) return server.error();
  server_ = std::move(*server);
  wait_for_tick();
  return ok();
}

void RouteServer::stop() {
  tick_.cancel();
  if (server_) server_->stop("the controller stops");
}

Status RouteServer::use(std::shared_ptr<xmpp::TlsContext> tls) {
  return server_ ? server_->use(std::move(tls)) : ok();
}

void RouteServer::end_sessions(const std::string& cause) {
  for (auto& [name, node] : nodes_) {
    if (node.session) node.session->close(cause);
  }
}

void RouteServer::up(const std::shared_ptr<xmpp::Session>& session) {
  const auto& name = session->peer().local;
  if (name == session->self().local) return handlers_.controller(session);
  auto [found, is_new] = nodes_.try_emplace(name);
  Node& node = found->second;
  if (is_new) {
    node.name = name;
    node.source = tables_.add_source(name);
  }
  SPDLOG_INFO("node {}: session up from {}", name, session->remote_address());
  node.session = session;
  node.since = Clock::now();
  node.subscriber = tables_.add_subscriber();
  subscribers_.emplace(node.subscriber, name);
  session->on_stanza = [this, name](const xmpp::Element& stanza) {
    return hear(nodes_.at(name), stanza);
  };
  session->on_end = [this, name](const std::string& cause) { down(name, cause); };
  session->on_room = [this, subscriber = node.subscriber] {
    tables_.set_ready(subscriber, true);
    turns_.soon();
  };
  handlers_.session(name, true);
}

void RouteServer::down(const std::string& name, const std::string& cause) {
  Node& node = nodes_.at(name);
  SPDLOG_WARN("node {}: session lost: {}; its routes stay for {} s", name, cause,
              timers_.stale.count() / 1000.0);
  tables_.mark_stale(node.source);
  tables_.remove_subscriber(node.subscriber);
  subscribers_.erase(node.subscriber);
  Node after;
  after.name = node.name;
  after.source = node.source;
  after.cause = cause;
  after.since = Clock::now();
  after.lost = Clock::now();
  node = std::move(after);
  handlers_.session(name, false);
}

bool RouteServer::hear(Node& node, const xmpp::Element& stanza) {
  if (!pubsub::is_request(stanza)) return false;
  const auto request = pubsub::parse_request(stanza);
  const auto session = node.session;
  if (!request) {
    session->send(xmpp::error_of(stanza, "bad-request", request.error().message));
    return true;
  }
  const auto status = take(node, *request);
  session->send(status ? xmpp::result_of(stanza)
                       : xmpp::error_of(stanza, "not-acceptable", status.error().message));
  turns_.soon();
  return true;
}

Status RouteServer::take(Node& node, const pubsub::Request& request) {
  return std::visit(
      [&]<class T>(const T& wanted) -> Status {
        if constexpr (std::is_same_v<T, pubsub::Subscribe>) {
          return subscribe(node, wanted.node);
        } else if constexpr (std::is_same_v<T, pubsub::Unsubscribe>) {
          node.waiting.erase(wanted.node);
          if (node.networks.erase(wanted.node) == 0) return ok();
          if (const auto id = tables_.find_network(wanted.node)) {
            tables_.unsubscribe(node.subscriber, *id);
          }
          handlers_.member(node.name, wanted.node, false);
          return ok();
        } else if constexpr (std::is_same_v<T, pubsub::Publish>) {
          return publish(node, wanted);
        } else if constexpr (std::is_same_v<T, pubsub::Retract>) {
          for (const auto& id : wanted.ids) {
            if (auto status = withdraw(node, id); !status) return status;
          }
          return ok();
        } else if constexpr (std::is_same_v<T, pubsub::Associate>) {
          const auto told = node.told.extract(wanted.node);
          if (told.empty()) return Error{"nothing was published as " + wanted.node};
          return announce(node, wanted.collection, told.mapped());
        } else {
          static_assert(std::is_same_v<T, pubsub::Dissociate>);
          return withdraw(node, wanted.node);
        }
      },
      request);
}

Status RouteServer::subscribe(Node& node, const std::string& network) {
  if (network == channel::profile_namespace) {
    node.wants_profiles = true;
    pubsub::Event event{.node = network};
    const auto all = handlers_.profiles(node.name);
    for (const auto& profile : all.profiles) {
      event.items.push_back({.id = channel::profile_item_id(profile.id),
                             .payload = channel::profile_element(profile)});
      if (event.items.size() < changes_a_delivery) continue;
      node.session->send(pubsub::build(event));
      event.items.clear();
    }
    if (!event.items.empty()) node.session->send(pubsub::build(event));
    send_mark(*node.session, all.generation);
    return ok();
  }
  if (node.networks.contains(network)) return ok();
  if (node.networks.size() >= most_networks) {
    return Error{fmt::format("too many networks: a node may have {}", most_networks)};
  }
  node.networks.insert(network);
  if (const auto id = tables_.find_network(network)) {
    node.initial = true;
    tables_.subscribe(node.subscriber, *id);
  } else {
    // It may come; whoever knows networks hears of the wish.
    node.waiting.insert(network);
  }
  handlers_.member(node.name, network, true);
  return ok();
}

Status RouteServer::publish(Node& node, const pubsub::Publish& publish) {
  if (publish.node == pubsub::end_of_rib) {
    told_all(node);
    return ok();
  }
  for (const auto& item : publish.items) {
    if (!item.payload) return Error{"an item without an entry in " + publish.node};
    if (publish.node == channel::profile_namespace) {
      if (auto status = hear_profile(node, *item.payload); !status) return status;
    } else if (tables_.find_network(publish.node)) {
      if (auto status = announce(node, publish.node, *item.payload); !status) return status;
    } else if (node.told.size() >= most_unassociated) {
      return Error{"too many routes were published into no network; associate them first"};
    } else {
      node.told.insert_or_assign(publish.node, *item.payload);
    }
  }
  return ok();
}

Status RouteServer::announce(Node& node, const std::string& network, const xmpp::Element& entry) {
  if (!node.networks.contains(network)) {
    return Error{fmt::format("node {} has not subscribed to network {}, and tells no routes of it",
                             node.name, network)};
  }
  const auto id = tables_.find_network(network);
  auto route = channel::parse_entry(entry, {});
  if (!route) return route.error();
  const auto name = channel::route_name(network, route->nlri);
  node.unplaced.erase(name);
  if (!id) {
    if (node.unplaced.size() >= most_unplaced) {
      return Error{
          fmt::format("there is no network {}, and no room for more routes that wait for "
                      "theirs; add it, or leave its VIFs out",
                      network)};
    }
    node.unplaced.emplace(name, std::pair(network, entry));
    return ok();
  }
  if (const auto* source = tables_.sources().find(node.source);
      source != nullptr && source->paths >= channel::most_node_routes) {
    return Error{fmt::format("too many routes: a node may tell {}", channel::most_node_routes)};
  }
  route->attributes.origin = node.name;
  vpn::order_encapsulations(route->attributes, handlers_.preference(network));
  tables_.announce(node.source, *id, route->nlri, std::move(route->attributes), Clock::now());
  return ok();
}

Status RouteServer::withdraw(Node& node, const std::string& name) {
  node.told.erase(name);
  node.unplaced.erase(name);
  const auto route = channel::parse_route_name(name, {});
  if (!route) return route.error();
  if (const auto id = tables_.find_network(route->network)) {
    tables_.withdraw(node.source, *id, route->nlri);
  }
  return ok();
}

void RouteServer::told_all(Node& node) {
  node.told_all = true;
  node.lost.reset();
  tables_.sweep(node.source);
  expected_.erase(node.name);
  for (auto& [name, other] : nodes_) finish_initial(other);
}

bool RouteServer::nodes_back() {
  if (!expected_.empty() && Clock::now() - started_ >= timers_.restart) {
    SPDLOG_WARN("{} known nodes have not come back in time", expected_.size());
    expected_.clear();
  }
  return expected_.empty();
}

/// A node that knows what it wants and has got all of it is told so; not before those are back,
/// here and at other controllers, whose routes it would miss, and not by a controller that has yet
/// to be told of networks: the node would forget what it has of them.
void RouteServer::finish_initial(Node& node) {
  if (node.session == nullptr || !node.told_all || node.initial || node.complete || !nodes_back() ||
      !handlers_.others_told()) {
    return;
  }
  if (node.waiting == node.networks && !node.networks.empty()) return;
  if (!node.waiting.empty() && Clock::now() - started_ < timers_.restart) return;
  node.complete = true;
  node.session->send(end_of_rib());
}

void RouteServer::tables_changed() { turns_.soon(); }

void RouteServer::network_goes(const std::string& name) {
  const auto id = tables_.find_network(name);
  if (!id) return;
  std::vector<xmpp::Text> texts;
  pubsub::Event event{.node = name};
  const auto finish = [&] {
    if (event.retracted.empty()) return;
    texts.push_back(xmpp::encode(pubsub::build(event)));
    event.retracted.clear();
  };
  tables_.table(*id)->each([&](const vpn::Nlri& nlri, const vpn::Table::Route& route) {
    if (!route.best) return;
    event.retracted.push_back(channel::route_name(name, nlri));
    if (event.retracted.size() == changes_a_delivery) finish();
  });
  finish();
  for (auto& [node_name, node] : nodes_) {
    if (!node.networks.contains(name) || node.waiting.contains(name)) continue;
    node.gone.insert(name);
    for (const auto& text : texts) node.session->send(text);
  }
}

void RouteServer::networks_changed() {
  for (auto& [name, node] : nodes_) {
    const auto back = std::ranges::find_if(node.gone, [this](const auto& network) {
      return tables_.find_network(network).has_value();
    });
    if (back != node.gone.end()) {  // what the node told of it went with it
      node.session->close("network " + *back + " is there again: everything is to be told anew");
    }
    for (auto network = node.waiting.begin(); network != node.waiting.end();) {
      const auto id = tables_.find_network(*network);
      if (!id) {
        ++network;
        continue;
      }
      node.initial = true;
      tables_.subscribe(node.subscriber, *id);
      handlers_.member(name, *network, true);
      network = node.waiting.erase(network);
    }
    for (const auto& [route, where] : std::map(node.unplaced)) {
      if (!tables_.find_network(where.first)) continue;
      if (const auto status = announce(node, where.first, where.second); !status) {
        SPDLOG_WARN("node {}: {}: {}", name, route, status.error().message);
      }
    }
  }
  turns_.soon();
}

void RouteServer::turn() {
  bool more = tables_.work(work_a_turn);
  vpn::Delivery delivery;
  std::size_t done = 0;
  while (done < deliveries_a_turn && tables_.next(delivery, changes_a_delivery)) {
    deliver(delivery);
    ++done;
  }
  for (const auto subscriber : tables_.take_overrun()) {
    const auto name = subscribers_.find(subscriber);
    if (name == subscribers_.end()) continue;
    nodes_.at(name->second).session->abort("it reads so slowly that changes were lost to it");
  }
  for (const auto& duplicate : tables_.take_new_duplicates()) {
    SPDLOG_WARN("{} is claimed by {} and by {} again and again; the route of {} stands",
                to_string(duplicate.nlri), duplicate.kept, duplicate.refused, duplicate.kept);
  }
  if (more || done == deliveries_a_turn) turns_.soon();
}

void RouteServer::deliver(const vpn::Delivery& delivery) {
  const auto each = [&](auto&& f) {
    for (const auto subscriber : delivery.to) {
      const auto name = subscribers_.find(subscriber);
      if (name != subscribers_.end()) f(nodes_.at(name->second));
    }
  };
  if (delivery.end_of_rib) {
    each([&](Node& node) {
      node.initial = false;
      finish_initial(node);
    });
    return;
  }
  const auto* network = tables_.network(delivery.network);
  if (network == nullptr) return;
  const auto text = event_text(delivery, network->name, [&](const vpn::Nlri& nlri) {
    return channel::route_name(network->name, nlri);
  });
  each([&](Node& node) {
    node.session->send(text);
    tables_.set_ready(node.subscriber, node.session->has_room());
  });
}

void RouteServer::wait_for_tick() {
  tick_.expires_after(tick_period);
  tick_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    tick();
    wait_for_tick();
  });
}

void RouteServer::tick() {
  const auto now = Clock::now();
  tables_.tick(now);
  for (auto node = nodes_.begin(); node != nodes_.end(); ++node) {
    auto& lost = node->second.lost;
    if (!lost || now - *lost < timers_.stale) continue;
    const bool here = node->second.session != nullptr;
    SPDLOG_WARN("node {}: {} {} s; {}", node->first, here ? "has not told all within" : "gone for",
                timers_.stale.count() / 1000.0,
                here ? "what it has not told again goes" : "its routes go");
    lost.reset();
    tables_.sweep(node->second.source);
  }
  for (auto& [name, node] : nodes_) finish_initial(node);
  handlers_.tick(now);
  turns_.soon();
}

std::vector<RouteServer::NodeStatus> RouteServer::nodes() const {
  std::vector<NodeStatus> out;
  for (const auto& [name, node] : nodes_) {
    NodeStatus status{
        .node = name,
        .up = node.session != nullptr,
        .address = node.session ? node.session->remote_address() : "",
        .cause = node.cause,
        .since = node.since,
        .networks = node.networks,
        .complete = node.complete,
        .counters = node.session ? node.session->counters() : xmpp::SessionCounters{}};
    if (const auto* source = tables_.sources().find(node.source)) {
      status.routes = source->paths;
      status.stale = source->stale();
    }
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace weft::controller
