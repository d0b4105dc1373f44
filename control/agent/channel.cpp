#include "agent/channel.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "channel/route_codec.hpp"
#include "xmpp/stanza.hpp"

namespace weft::agent {

namespace {

using namespace std::chrono_literals;
namespace pubsub = xmpp::pubsub;

constexpr auto coalesce = 1ms;            ///< changes that come so close are one batch
constexpr auto between_refreshes = 10ms;  ///< of what this node tells
constexpr auto look_period = 250ms;
constexpr auto quiet = 1s;  ///< in which nothing of an earlier session is told again
constexpr auto between_connects = 1s;
constexpr std::size_t routes_a_turn = 256;
constexpr std::size_t profiles_a_portion = 32;
constexpr auto portions_begin_within = 1ms;  ///< of a turn's begin
constexpr std::size_t most_unanswered = 256;
constexpr std::size_t most_routes = 1 << 20;          ///< of a controller
constexpr std::size_t most_profile_bytes = 64 << 20;  ///< of all controllers

/// The `items` of an event, in a message or an iq, in either namespace.
const xmpp::Element* items_of(const xmpp::Element& stanza) {
  const auto* event = stanza.child("event");
  if (event == nullptr) event = stanza.child("pubsub");
  return event == nullptr ? nullptr : event->child("items");
}

std::string place(const ControllerConfig& config) {
  const auto address = to_string(config.address);
  return config.address.is_v4() ? fmt::format("{}:{}", address, config.port)
                                : fmt::format("[{}]:{}", address, config.port);
}

std::vector<std::string> places(const std::vector<ControllerConfig>& controllers) {
  std::vector<std::string> out;
  for (const auto& controller : controllers) out.push_back(place(controller));
  return out;
}

}  // namespace

Channel::Channel(boost::asio::io_context& io, ConfigManager& manager, HandlerTimes& times,
                 std::function<bool()> busy)
    : io_(io),
      manager_(manager),
      times_(times),
      busy_(std::move(busy)),
      config_(manager.intent().config.channel),
      node_(manager.intent().config.node),
      routes_(manager.intent().config.node),
      profiles_(manager, places(manager.intent().config.controllers)),
      restored_(manager.intent().channel),
      turn_(io),
      tick_(io),
      expiry_(io, [](const std::string& text) { SPDLOG_WARN("{}", text); }) {}

Channel::~Channel() {
  turn_.cancel();
  tick_.cancel();
}

Status Channel::start(const Config& config, const std::filesystem::path& directory) {
  directory_ = directory;
  for (const auto& controller : config.controllers) {
    controllers_.push_back({.config = controller,
                            .address = place(controller),
                            .source = routes_.add_source(place(controller)),
                            .told = EndOfRib(quiet, std::chrono::seconds(config_.stale_s))});
  }
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    if (const auto status = connect(i); !status) {
      return Error{fmt::format("controllers[{}] ({}): {}", i, controllers_[i].address,
                               status.error().message)};
    }
  }
  intent_changed();
  wait_for_tick();
  return ok();
}

void Channel::stop() {
  turn_.cancel();
  tick_.cancel();
  expiry_.stop();
  for (auto& controller : controllers_) {
    if (controller.client) controller.client->stop("weftd stops");
  }
}

void Channel::up(std::size_t number, const std::shared_ptr<xmpp::Session>& session) {
  const auto timer = times_.time("channel");
  auto& controller = controllers_[number];
  SPDLOG_INFO("controller {}: session up", controller.address);
  controller.session = session;
  controller.subscribed.clear();
  controller.unanswered = controller.unanswered_subscriptions = 0;
  controller.end_told = controller.complete = false;
  controller.told.begin();
  controller.refusal.clear();
  session->on_stanza = [this, number](const xmpp::Element& stanza) { return hear(number, stanza); };
  session->on_room = [this, number] { tell(number); };
  profiles_.begin(number);
  request(controller, pubsub::Subscribe{.node = std::string(channel::profile_namespace)});
  introduce(controller);
  subscribe(controller);
  controller.untold.clear();
  for (const auto& [key, attributes] : publications_.routes()) controller.untold.insert(key);
  tell(number);
}

void Channel::down(std::size_t number, const std::string& cause) {
  const auto timer = times_.time("channel");
  auto& controller = controllers_[number];
  if (controller.session == nullptr) return;  // a try that came to nothing
  SPDLOG_WARN("controller {}: session lost: {}; what it told stays", controller.address, cause);
  controller.session = nullptr;
  controller.complete = false;
  controller.lost = Clock::now();
  routes_.mark_stale(controller.source);
  profiles_.mark_stale(number);
}

void Channel::request(Controller& controller, const pubsub::Request& request) {
  const bool subscribes = std::holds_alternative<pubsub::Subscribe>(request);
  ++controller.unanswered;
  if (subscribes) ++controller.unanswered_subscriptions;
  const auto number = static_cast<std::size_t>(&controller - controllers_.data());
  controller.session->request(pubsub::build(request), [this, number, subscribes,
                                                       session = std::weak_ptr(controller.session)](
                                                          const Result<xmpp::Element>& answer) {
    auto& asked = controllers_[number];
    if (asked.session == nullptr || asked.session != session.lock()) return;
    --asked.unanswered;
    if (subscribes) --asked.unanswered_subscriptions;
    if (!answer && asked.refusal != answer.error().message) {
      asked.refusal = answer.error().message;
      SPDLOG_WARN("controller {} refuses a request: {}", asked.address, asked.refusal);
    }
    tell(number);
  });
}

/// What this node is, in the words of a controller's inventory.
void Channel::introduce(Controller& controller) {
  const NodeConfig& node = manager_.intent().config.node;
  Json json{{"name", node.name}, {"tunnel_addresses", Json::array()}};
  for (const auto& address : node.tunnel_addresses) {
    json["tunnel_addresses"].push_back(to_string(address));
  }
  const channel::Profile self{.id = {"node", node.name}, .generation = 0, .json = json.dump()};
  pubsub::Publish publish{.node = std::string(channel::profile_namespace)};
  publish.items.push_back(
      {.id = channel::profile_item_id(self.id), .payload = channel::profile_element(self)});
  request(controller, publish);
}

void Channel::subscribe(Controller& controller) {
  const auto& vrfs = publications_.vrfs();
  for (const auto& [name, id] : vrfs) {
    if (!controller.subscribed.insert(name).second) continue;
    request(controller,
            pubsub::Subscribe{.node = name, .jid = {}, .instance_id = fmt::to_string(id)});
  }
  for (auto name = controller.subscribed.begin(); name != controller.subscribed.end();) {
    if (vrfs.contains(*name)) {
      ++name;
      continue;
    }
    request(controller, pubsub::Unsubscribe{.node = *name, .jid = {}});
    name = controller.subscribed.erase(name);
  }
}

/// The draft's two steps: the route as a node of its own, and that node into the VPN's collection.
void Channel::tell_route(Controller& controller, const HostKey& key) {
  const auto nlri = vpn::Nlri::unicast({}, IpPrefix::host(key.address));
  const auto name = channel::route_name(key.vrf, nlri);
  const auto& routes = publications_.routes();
  const auto route = routes.find(key);
  if (route == routes.end()) {
    request(controller, pubsub::Dissociate{.collection = key.vrf, .node = name});
    return;
  }
  pubsub::Publish publish{.node = name};
  publish.items.push_back(
      {.id = name, .payload = channel::entry_element({.nlri = nlri, .attributes = route->second})});
  request(controller, publish);
  request(controller, pubsub::Associate{.collection = key.vrf, .node = name});
}

void Channel::tell(std::size_t number) {
  auto& controller = controllers_[number];
  if (controller.session == nullptr) return;
  while (!controller.untold.empty() && controller.unanswered < most_unanswered &&
         controller.session->has_room()) {
    tell_route(controller, controller.untold.extract(controller.untold.begin()).value());
  }
  if (controller.untold.empty() && !controller.end_told && publications_due_ == false) {
    controller.end_told = true;
    request(controller, pubsub::Publish{.node = std::string(pubsub::end_of_rib)});
  }
}

bool Channel::hear(std::size_t number, const xmpp::Element& stanza) {
  const auto timer = times_.time("channel");
  const auto* items = items_of(stanza);
  if (items == nullptr) return false;
  hear_items(number, *items);
  if (stanza.name == "iq") controllers_[number].session->send(xmpp::result_of(stanza));
  turn_soon(coalesce);
  return true;
}

void Channel::hear_items(std::size_t number, const xmpp::Element& items) {
  auto& controller = controllers_[number];
  const auto complain = [&](const std::vector<std::string>& errors) {
    for (const auto& error : errors) SPDLOG_WARN("controller {}: {}", controller.address, error);
  };
  const std::string node(items.attribute("node").value_or(""));
  if (channel::is_end_of_rib(items)) {
    controller.told.hear_marker(Clock::now());
    complete_if_told(number);
  } else if (node == channel::profile_namespace) {
    auto profiles = channel::parse_profile_items(items);
    complain(profiles.errors);
    profiles_.hear(number, std::move(profiles));
  } else if (controller.subscribed.contains(node)) {
    auto routes = channel::parse_route_items(items, node, routes_.rd(node));
    complain(routes.errors);
    for (auto& route : routes.routes) {
      routes_.announce(controller.source, node, route.nlri, std::move(route.attributes));
    }
    for (const auto& nlri : routes.withdrawn) routes_.withdraw(controller.source, node, nlri);
    publications_due_ = true;  // one of our addresses may have moved
  }
  bound_what_is_told(controller);
}

/// Whoever speaks for a controller may be mad.
void Channel::bound_what_is_told(Controller& controller) {
  const auto routes = routes_.sources().find(controller.source)->paths;
  if (routes <= most_routes && profiles_.bytes() <= most_profile_bytes) return;
  controller.session->close(
      fmt::format(
          "it tells too much: {} routes (of at most {}), {} bytes of profiles (of at most {})",
          routes, most_routes, profiles_.bytes(), most_profile_bytes),
      "resource-constraint");
}

/// What it has not told again is not any more.
void Channel::complete_if_told(std::size_t number) {
  auto& controller = controllers_[number];
  if (controller.session == nullptr || controller.complete) return;
  const auto& source = *routes_.sources().find(controller.source);
  if (!controller.told.over(Clock::now(), controller.unanswered_subscriptions == 0,
                            source.stale() + profiles_.stale(number) + restored(), source.paths)) {
    return;
  }
  controller.complete = true;
  turn_soon(coalesce);
  controller.lost.reset();
  routes_.sweep(controller.source);
  profiles_.sweep(number);
}

void Channel::intent_changed() {
  publications_due_ = true;
  turn_soon(coalesce);
}

void Channel::turn_soon(std::chrono::milliseconds when) {
  if (turning_) return;
  turning_ = true;
  turn_.expires_after(when);
  turn_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const auto timer = times_.time("channel");
    turning_ = false;
    turn();
  });
}

void Channel::turn() {
  if (busy_()) return turn_soon(between_refreshes);
  if (profiles_.pending()) {
    // As many as there is time for: what is heard between turns must not be more.
    const auto begun = Clock::now();
    do {
      profiles_.apply(profiles_a_portion);
    } while (profiles_.pending() && Clock::now() - begun < portions_begin_within);
    publications_due_ = true;  // decaps say what packets we take
  }
  if (profiles_.take_tunnels_changed()) routes_.reconsider();
  if (!profiles_.pending()) apply_routes();
  const auto now = Clock::now();
  if (publications_due_ && now - published_ >= between_refreshes) publish_changes();
  acknowledge();
  sweep_restored();
  if (profiles_.pending() || routes_.pending()) {
    turn_soon(0ms);
  } else if (publications_due_) {
    turn_soon(between_refreshes);
  }
}

void Channel::apply_routes() {
  if (!routes_.pending()) return;
  Update update;
  routes_.collect(update, routes_a_turn, profiles_.tunnels());
  for (const auto& refused : manager_.follow(update)) {
    SPDLOG_WARN("{} of a controller has no place here: {}", refused.label, refused.why);
  }
}

void Channel::publish_changes() {
  publications_due_ = false;
  published_ = Clock::now();
  const auto changed = publications_.refresh(manager_.intent(), routes_);
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    auto& controller = controllers_[i];
    if (controller.session == nullptr) continue;
    subscribe(controller);
    controller.untold.insert(changed.begin(), changed.end());
    tell(i);
  }
}

void Channel::acknowledge() {
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    auto& controller = controllers_[i];
    if (controller.session == nullptr) continue;
    const auto applied = profiles_.take_acknowledgement(i);
    if (!applied) continue;
    pubsub::Publish publish{.node = std::string(channel::profile_namespace)};
    publish.items.push_back(
        {.id = std::string(channel::applied_item), .payload = channel::applied_element(*applied)});
    request(controller, publish);
  }
}

/// What a controller told that is gone for long goes, if another one is there to tell the truth.
void Channel::sweep_what_is_due() {
  const bool any = std::ranges::any_of(controllers_, &Controller::complete);
  if (!any) return;
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    auto& controller = controllers_[i];
    if (!controller.lost ||
        Clock::now() - *controller.lost < std::chrono::seconds(config_.stale_s)) {
      continue;
    }
    SPDLOG_WARN("controller {}: gone for {} s; what it alone told goes", controller.address,
                config_.stale_s);
    controller.lost.reset();
    routes_.sweep(controller.source);
    profiles_.sweep(i);
    turn_soon(coalesce);
  }
}

/// What was there at the start and was told by nobody goes when all controllers have told all that
/// they have, or one has and the others have had time enough.
void Channel::sweep_restored() {
  if (empty(restored_) || profiles_.pending() || routes_.pending()) return;
  const auto complete = std::ranges::count_if(controllers_, &Controller::complete);
  const bool late = Clock::now() - started_ > std::chrono::seconds(config_.stale_s);
  if (complete == 0 || (!late && complete < std::ssize(controllers_))) return;
  Update update;
  for_each_kind([&]<class Object>() {
    for (const auto& entry : objects_of<Object>(restored_)) {
      const auto& key = entry.first;
      const bool told = [&] {
        if constexpr (std::is_same_v<Object, RouteConfig>) {
          if (routes_.has_route(key)) return true;
          return profiles_.has(ObjectKind<Object>::word, key.vrf + " " + to_string(key.prefix));
        } else {
          if (std::is_same_v<Object, TunnelConfig> && routes_.has_tunnel(key_text(key)))
            return true;
          return profiles_.has(ObjectKind<Object>::word, key_text(key));
        }
      }();
      if (!told) (update.*ObjectKind<Object>::changes).erase.push_back(key);
    }
  });
  restored_ = {};
  (void)manager_.follow(update);
}

void Channel::wait_for_tick() {
  tick_.expires_after(look_period);
  tick_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    const auto timer = times_.time("channel");
    const auto now = Clock::now();
    const bool try_again = now - tried_ >= between_connects;
    if (try_again) tried_ = now;
    for (std::size_t i = 0; i < controllers_.size(); ++i) {
      if (controllers_[i].client) {
        complete_if_told(i);
      } else if (try_again) {
        if (const auto status = connect(i); !status)
          controllers_[i].unable = status.error().message;
      }
    }
    sweep_what_is_due();
    if (!empty(restored_)) turn_soon(coalesce);
    wait_for_tick();
  });
}

std::size_t Channel::restored() const {
  std::size_t count = 0;
  for_each_kind([&]<class Object>() { count += objects_of<Object>(restored_).size(); });
  return count;
}

std::vector<Channel::ControllerStatus> Channel::controllers() const {
  std::vector<ControllerStatus> out;
  for (std::size_t i = 0; i < controllers_.size(); ++i) {
    const auto& controller = controllers_[i];
    ControllerStatus status;
    status.address = controller.address;
    status.state = xmpp::ClientState::waiting;
    status.since = started_;
    status.cause = controller.unable;
    if (controller.client) {
      status.state = controller.client->state();
      status.since = controller.client->since();
      status.cause = controller.session ? controller.refusal : controller.client->cause();
      status.sessions = controller.client->sessions();
    }
    status.complete = controller.complete;
    if (const auto* source = routes_.sources().find(controller.source)) {
      status.routes = source->paths;
      status.stale = source->stale();
    }
    status.applied = profiles_.applied(i);
    status.untold = controller.untold.size();
    if (controller.session) status.counters = controller.session->counters();
    status.expires = controller.expires;
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace weft::agent
