#include "controller/peers.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "channel/route_codec.hpp"
#include "channel/state_codec.hpp"
#include "xmpp/stanza.hpp"

namespace weft::controller {

namespace {

using namespace std::chrono_literals;
namespace pubsub = xmpp::pubsub;

/// An event holds no more than this, but for its last object (at most_profile_bytes each).
constexpr std::size_t event_bytes = 64 << 10;
constexpr std::size_t event_objects = 256;
/// How long nodes wait for what other controllers know, where this one knows something itself.
constexpr auto patience_with_state = 2s;

std::string place(const Endpoint& endpoint) {
  const bool v6 = endpoint.address.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", endpoint.address, endpoint.port)
            : fmt::format("{}:{}", endpoint.address, endpoint.port);
}

channel::StateObject told(const Record& record) {
  return {.id = {std::string(describe(record.key.kind).word), record.key.name},
          .count = record.stamp.count,
          .by = record.stamp.by.empty() ? "nobody" : record.stamp.by,
          .json = record_json(record)};
}

}  // namespace

Peers::Peers(boost::asio::io_context& io, Controller& core) : io_(io), core_(core) {
  core_.on_said = [this](const std::vector<Key>& keys) { said(keys); };
}

Peers::~Peers() {
  for (auto& listener : listeners_) listener.session->abandon();
}

Status Peers::start(const Config& config) {
  name_ = config.name;
  if (config.peers.empty()) return ok();
  const bool empty = core_.ledger().entries().empty();
  patience_ = std::chrono::steady_clock::now() +
              (empty ? std::chrono::milliseconds(config.restart) : patience_with_state);
  const auto tls = xmpp::TlsContext::load(
      {.ca = config.tls->ca, .cert = config.tls->cert, .key = config.tls->key});
  if (!tls) return Error{"tls: " + tls.error().message};
  for (const auto& endpoint : config.peers) {
    peers_.push_back({.address = place(endpoint)});
    if (routes_ != nullptr) routes_->add_peer(place(endpoint));
  }
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    xmpp::ClientOptions options;
    options.address = config.peers[i].address;
    options.port = config.peers[i].port;
    options.self = {controllers_name, config.domain, config.name};
    options.peer = {controllers_name, config.domain, "bgp-peer"};
    options.tls = *tls;
    options.session.hold = config.hold;
    auto client = xmpp::Client::start(
        io_, std::move(options), [this, i](const auto& session) { up(i, session); },
        [this, i](const std::string& cause) {
          Peer& peer = peers_[i];
          if (peer.session == nullptr) return;  // a try that came to nothing
          SPDLOG_WARN("controller {}: session lost: {}", peer.address, cause);
          peer.session = nullptr;
          if (routes_ != nullptr) routes_->lost(i);
        });
    if (!client) return Error{"peers: " + peers_[i].address + ": " + client.error().message};
    peers_[i].client = std::move(*client);
  }
  return ok();
}

void Peers::stop() {
  for (auto& peer : peers_) {
    if (peer.client) peer.client->stop("the controller stops");
  }
}

Status Peers::use(const std::shared_ptr<xmpp::TlsContext>& tls) {
  for (auto& peer : peers_) {
    if (auto used = peer.client->use(tls); !used) return used;
  }
  return ok();
}

void Peers::end_sessions(const std::string& cause) {
  for (auto& peer : peers_) {
    if (peer.session) peer.session->close(cause);
  }
  for (auto& listener : listeners_) listener.session->close(cause);
}

bool Peers::heard_all() const {
  return std::ranges::all_of(peers_, &Peer::complete) ||
         std::chrono::steady_clock::now() >= patience_;
}

bool Peers::anyone() const {
  return std::ranges::any_of(peers_, [](const Peer& peer) { return peer.session != nullptr; });
}

void Peers::up(std::size_t number, const std::shared_ptr<xmpp::Session>& session) {
  Peer& peer = peers_[number];
  SPDLOG_INFO("controller {}: session up", peer.address);
  peer.session = session;
  peer.refusal.clear();
  session->on_stanza = [this, number](const xmpp::Element& stanza) { return hear(number, stanza); };
  session->request(
      pubsub::build(pubsub::Subscribe{.node = std::string(channel::state_namespace)}),
      [this, number, weak = std::weak_ptr(session)](const Result<xmpp::Element>& answer) {
        const auto asked = weak.lock();
        if (answer || asked == nullptr || peers_[number].session != asked) return;
        peers_[number].refusal = answer.error().message;
        asked->close("it does not tell what it knows: " + answer.error().message);
      });
}

bool Peers::hear(std::size_t number, const xmpp::Element& stanza) {
  if (!pubsub::is_event(stanza)) return false;
  Peer& peer = peers_[number];
  const auto event = pubsub::parse_event(stanza);
  if (!event) {
    peer.refusal = event.error().message;
    return true;
  }
  if (event->node == pubsub::end_of_rib) {
    if (!peer.complete) SPDLOG_INFO("controller {} has told all that it knows", peer.address);
    peer.complete = true;
    // When all networks are in force of which routes may be told.
    core_.when_kept([this, number, weak = std::weak_ptr(peer.session)] {
      const auto session = weak.lock();
      if (session != nullptr && peers_[number].session == session) ask_for_routes(number);
    });
  } else if ((event->node == channel::peer_routes_node ||
              event->node == channel::peer_members_node) &&
             routes_ != nullptr) {
    if (const auto taken = routes_->hear(number, *event); !taken) {
      peer.refusal = taken.error().message;
      SPDLOG_WARN("controller {} tells a route that is not understood: {}", peer.address,
                  peer.refusal);
    }
  } else if (event->node == channel::state_namespace && !hear_objects(peer, *event)) {
    peer.session->abort("what it tells cannot be taken now; it is asked again");
  }
  return true;
}

void Peers::ask_for_routes(std::size_t number) {
  if (routes_ == nullptr) return;
  routes_->begin(number, [this, number](std::function<void()> answered) {
    peers_[number].session->request(
        pubsub::build(pubsub::Subscribe{.node = std::string(channel::peer_routes_node)}),
        [this, number, answered = std::move(answered)](const Result<xmpp::Element>& answer) {
          if (answer) return answered();
          if (peers_[number].session == nullptr) return;  // it asks anew when it is back
          peers_[number].refusal = "it tells no routes: " + answer.error().message;
          SPDLOG_WARN("controller {}: {}", peers_[number].address, peers_[number].refusal);
        });
  });
}

/// What came in one event was said at once, and comes into force at once.
bool Peers::hear_objects(Peer& peer, const pubsub::Event& event) {
  std::vector<Record> records;
  for (const auto& item : event.items) {
    const auto read = [&]() -> Result<Record> {
      if (!item.payload) return Error{"an item without an object"};
      const auto object = channel::parse_state(*item.payload);
      if (!object) return object.error();
      return read_record(object->id.kind, object->id.name, {object->count, object->by},
                         object->json);
    }();
    if (read) {
      records.push_back(*read);
      continue;
    }
    peer.refusal = read.error().message;
    SPDLOG_WARN("controller {} tells what is not understood: {}", peer.address, peer.refusal);
  }
  peer.told += records.size();
  return core_.merge(std::move(records));
}

void Peers::serve(const std::shared_ptr<xmpp::Session>& session) {
  const auto& name = session->peer().resource;
  if (name == name_) {
    const auto cause =
        fmt::format("two controllers are called {}, or peers names this one itself", name_);
    SPDLOG_ERROR("{}: {}", session->remote_address(), cause);
    session->close(cause, "conflict");
    return;
  }
  SPDLOG_INFO("controller {}: session up from {}", name, session->remote_address());
  const auto place = listeners_.insert(listeners_.end(), Listener{.session = session});
  session->on_stanza = [this, place](const xmpp::Element& stanza) {
    return answer(*place, stanza);
  };
  session->on_room = [this, place] {
    tell(*place);
    if (place->routes && routes_ != nullptr) routes_->has_room(*place->routes);
  };
  session->on_end = [this, place, name](const std::string& cause) {
    SPDLOG_WARN("controller {}: session lost: {}", name, cause);
    if (place->routes && routes_ != nullptr) routes_->remove_listener(*place->routes);
    listeners_.erase(place);
  };
}

bool Peers::answer(Listener& listener, const xmpp::Element& stanza) {
  if (!pubsub::is_request(stanza)) return false;
  const auto request = pubsub::parse_request(stanza);
  const auto* wanted = request ? std::get_if<pubsub::Subscribe>(&*request) : nullptr;
  const auto refuse = [&](const std::string& why) {
    listener.session->send(xmpp::error_of(stanza, "not-acceptable", why));
    return true;
  };
  if (!request) return refuse(request.error().message);
  if (wanted != nullptr && wanted->node == channel::state_namespace) {
    listener.session->send(xmpp::result_of(stanza));
    tell_objects(listener);
  } else if (wanted != nullptr && wanted->node == channel::peer_routes_node) {
    if (routes_ == nullptr || !routes_->has_peers()) {
      return refuse("controller " + name_ +
                    " has no peers, and keeps no routes for others; name "
                    "them in its file");
    }
    listener.session->send(xmpp::result_of(stanza));
    tell_routes(listener);
  } else {
    return refuse(fmt::format("a controller subscribes to {} and {} and does nothing else",
                              channel::state_namespace, channel::peer_routes_node));
  }
  return true;
}

void Peers::tell_routes(Listener& listener) {
  if (!listener.routes) {
    const auto session = listener.session;
    listener.routes = routes_->add_listener(
        {.send = [session](const xmpp::Text& text) { session->send(text); },
         .has_room = [session] { return session->has_room(); },
         .abort = [session](const std::string& cause) { session->abort(cause); }});
  }
  routes_->tell_all(*listener.routes);
}

void Peers::tell_objects(Listener& listener) {
  listener.subscribed = listener.initial = true;
  for (const auto& [key, entry] : core_.ledger().entries()) listener.untold.insert(key);
  tell(listener);
}

void Peers::said(const std::vector<Key>& keys) {
  for (auto& listener : listeners_) {
    if (!listener.subscribed) continue;
    listener.untold.insert(keys.begin(), keys.end());
    tell(listener);
  }
}

/// What goes, goes after what comes, and in the other order: so nothing is named that is not there.
std::vector<Key> Peers::next_keys(Listener& listener) const {
  std::vector<Key> out;
  std::vector<Key> gone;
  for (const auto& key : listener.untold) {
    const auto* entry = core_.ledger().find(key);
    (entry != nullptr && entry->gone ? gone : out).push_back(key);
  }
  out.insert(out.end(), gone.rbegin(), gone.rend());
  return out;
}

void Peers::tell(Listener& listener) {
  if (!listener.subscribed) return;
  const auto keys = next_keys(listener);
  for (auto key = keys.begin(); key != keys.end() && listener.session->has_room();) {
    pubsub::Event event{.node = std::string(channel::state_namespace)};
    std::size_t bytes = 0;
    for (; key != keys.end() && bytes < event_bytes && event.items.size() < event_objects; ++key) {
      listener.untold.erase(*key);
      if (core_.ledger().find(*key) == nullptr) continue;
      const auto object = told(core_.record(*key));
      bytes += object.json.size();
      event.items.push_back(
          {.id = channel::profile_item_id(object.id), .payload = channel::state_element(object)});
    }
    if (!event.items.empty()) listener.session->send(pubsub::build(event));
  }
  if (!listener.initial || !listener.untold.empty()) return;
  listener.initial = false;
  listener.session->send(pubsub::build(pubsub::Event{.node = std::string(pubsub::end_of_rib)}));
}

std::vector<Peers::PeerStatus> Peers::peers() const {
  std::vector<PeerStatus> out;
  for (const auto& peer : peers_) {
    out.push_back(
        {.address = peer.address,
         .state = peer.client->state(),
         .since = peer.client->since(),
         .cause = !peer.refusal.empty() ? peer.refusal
                  : peer.session        ? std::string()
                                        : peer.client->cause(),
         .complete = peer.complete,
         .told = peer.told,
         .routes = routes_ == nullptr ? PeerRoutes::Count() : routes_->count(out.size())});
  }
  return out;
}

std::vector<std::string> Peers::listeners() const {
  std::vector<std::string> out;
  for (const auto& listener : listeners_) out.push_back(listener.session->peer().resource);
  return out;
}

}  // namespace weft::controller
