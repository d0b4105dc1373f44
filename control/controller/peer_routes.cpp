#include "controller/peer_routes.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "channel/route_codec.hpp"

namespace weft::controller {

namespace {

namespace pubsub = xmpp::pubsub;

constexpr std::size_t routes_an_event = 64;
constexpr std::size_t events_a_turn = 4;
constexpr std::size_t members_a_turn = 4;

vpn::RouteDistinguisher rd_of(vpn::SourceId node) {
  return vpn::RouteDistinguisher(vpn::Administered{vpn::AdministratorType::as4, node.raw(), 0});
}

vpn::SourceId node_of(vpn::RouteDistinguisher rd) {
  return vpn::SourceId::from_raw(rd.value().administrator);
}

xmpp::Text all_told() {
  static const auto text =
      xmpp::encode(pubsub::build(pubsub::Event{.node = std::string(channel::peer_routes_node)}));
  return text;
}

}  // namespace

PeerRoutes::PeerRoutes(boost::asio::io_context& io, vpn::VpnTables& tables, Timers timers,
                       Handlers handlers)
    : tables_(tables),
      timers_(timers),
      handlers_(std::move(handlers)),
      subscriptions_(4096),
      turns_(io, [this] { turn(); }) {}

PeerRoutes::~PeerRoutes() {
  tables_.on_path = {};
  *alive_ = false;
}

void PeerRoutes::path_changed(const vpn::PathChange& change) {
  const auto& source = *tables_.sources().find(change.source);
  if (source.relayed) return;
  const auto& network = tables_.network(change.network)->name;
  const auto nlri = change.nlri.within(rd_of(change.source));
  const vpn::Teller teller{self_};
  auto& table = *told_of(network).table;
  if (change.now ? table.announce(nlri, teller, change.now) : table.withdraw(nlri, teller)) {
    subscriptions_.changed(told_by_name_.at(network));
    turns_.soon();
  }
}

PeerRoutes::Told& PeerRoutes::told_of(const std::string& network) {
  if (const auto found = told_by_name_.find(network); found != told_by_name_.end()) {
    return told_[found->second];
  }
  Told fresh{network, std::make_unique<vpn::Table>(own_, pool_)};
  const auto id = told_.add(std::move(fresh));
  told_by_name_.emplace(network, id);
  for (const auto& [listener, line] : listeners_) {
    subscriptions_.subscribe(listener, id, *told_[id].table);
  }
  return told_[id];
}

PeerRoutes::ListenerId PeerRoutes::add_listener(Line line) {
  const auto id = subscriptions_.add();
  listeners_.emplace(id, Listener{.line = std::move(line)});
  return id;
}

void PeerRoutes::remove_listener(ListenerId listener) {
  subscriptions_.remove(listener);
  listeners_.erase(listener);
}

void PeerRoutes::set_member(const std::string& node, const std::string& network, bool member) {
  const Membership key{node, network};
  if (member ? !own_members_.insert(key).second : own_members_.erase(key) == 0) return;
  for (auto& [id, listener] : listeners_) {
    if (listener.asked) listener.untold.insert(key);
  }
  turns_.soon();
}

void PeerRoutes::tell_all(ListenerId listener) {
  auto& to = listeners_.at(listener);
  to.asked = true;
  to.untold.insert(own_members_.begin(), own_members_.end());
  to.end_due = told_by_name_.empty();
  for (const auto& [network, id] : told_by_name_) {
    subscriptions_.subscribe(listener, id, *told_[id].table);
  }
  finish(to);
  turns_.soon();
}

void PeerRoutes::has_room(ListenerId listener) {
  subscriptions_.set_ready(listener, true);
  turns_.soon();
}

/// Not before this controller's own nodes are back: else others would forget what is only late.
void PeerRoutes::finish(Listener& listener) {
  if (!listener.end_due || !listener.untold.empty() || !handlers_.nodes_back()) return;
  listener.end_due = false;
  listener.line.send(all_told());
}

/// True: it takes no more now, or has got all.
bool PeerRoutes::tell_members(Listener& listener) {
  if (listener.untold.empty() || !listener.line.has_room()) return true;
  pubsub::Event event{.node = std::string(channel::peer_members_node)};
  for (std::size_t n = 0; n < routes_an_event && !listener.untold.empty(); ++n) {
    const auto key = listener.untold.extract(listener.untold.begin()).value();
    auto name = channel::peer_member_name({key.first, key.second});
    if (own_members_.contains(key)) {
      event.items.push_back({.id = std::move(name), .payload = channel::peer_member_element()});
    } else {
      event.retracted.push_back(std::move(name));
    }
  }
  listener.line.send(xmpp::encode(pubsub::build(event)));
  finish(listener);
  return listener.untold.empty();
}

void PeerRoutes::forget_empty() {
  std::erase_if(told_by_name_, [this](const auto& entry) {
    if (!told_[entry.second].table->empty()) return false;
    subscriptions_.remove_network(entry.second);
    told_.remove(entry.second);
    return true;
  });
}

void PeerRoutes::turn() {
  for (std::size_t done = 0; done < members_a_turn && !changed_members_.empty(); ++done) {
    const auto key = changed_members_.extract(changed_members_.begin()).value();
    handlers_.member(key.first, key.second, member(key.first, key.second));
  }
  bool more = !changed_members_.empty();
  for (auto& [id, listener] : listeners_) more |= !tell_members(listener);
  vpn::Delivery delivery;
  std::size_t done = 0;
  while (done < events_a_turn && subscriptions_.next(delivery, routes_an_event)) {
    deliver(delivery);
    ++done;
  }
  for (const auto id : subscriptions_.take_overrun()) {
    const auto found = listeners_.find(id);
    if (found == listeners_.end()) continue;
    found->second.line.abort("it reads so slowly that changes were lost to it");
  }
  if (done == events_a_turn || more) turns_.soon();
}

/// Encoded once for all that stand at the same place.
void PeerRoutes::deliver(const vpn::Delivery& delivery) {
  const auto each = [&](auto&& f) {
    for (const auto id : delivery.to) {
      const auto found = listeners_.find(id);
      if (found != listeners_.end()) f(id, found->second);
    }
  };
  if (delivery.end_of_rib) {
    each([&](ListenerId, Listener& listener) {
      listener.end_due = true;
      finish(listener);
    });
    return;
  }
  const auto& network = told_[delivery.network].network;
  const std::string at(channel::peer_routes_node);
  const auto text = event_text(delivery, at, [&](const vpn::Nlri& nlri) {
    const auto& node = tables_.sources().find(node_of(nlri.rd()))->name;
    return channel::peer_route_name(node, network, nlri);
  });
  each([&](ListenerId id, Listener& listener) {
    listener.line.send(text);
    subscriptions_.set_ready(id, listener.line.has_room());
  });
}

PeerRoutes::PeerId PeerRoutes::add_peer(std::string address) {
  if (!has_peers()) {
    tables_.on_path = [this](const vpn::PathChange& change) { path_changed(change); };
  }
  peers_.push_back({.address = std::move(address)});
  return peers_.size() - 1;
}

void PeerRoutes::begin(PeerId peer, Ask ask) {
  peers_[peer].ask = std::move(ask);
  ask_anew(peer);
}

/// What it told before the answer was an answer to an earlier question, and counts no more than
/// what came before: what went since is not told.
void PeerRoutes::ask_anew(PeerId id) {
  Peer& peer = peers_[id];
  peer.answered = false;
  peer.missed.clear();
  if (!peer.waiting) peer.waiting = std::chrono::steady_clock::now();
  peer.ask([this, id, number = ++peer.asked, alive = alive_] {
    if (!*alive || peers_[id].asked != number) return;
    peers_[id].answered = true;
    ++peers_[id].epoch;
    mark_stale(peers_[id]);
  });
}

void PeerRoutes::lost(PeerId id) {
  Peer& peer = peers_[id];
  peer.ask = {};
  ++peer.asked;
  peer.answered = false;
  peer.waiting = std::chrono::steady_clock::now();
  mark_stale(peer);
}

void PeerRoutes::mark_stale(Peer& peer) {
  for (const auto& [node, source] : peer.nodes) tables_.mark_stale(source);
}

void PeerRoutes::sweep(Peer& peer) {
  peer.waiting.reset();
  std::vector<vpn::SourceId> sources;
  for (const auto& [node, source] : peer.nodes) sources.push_back(source);
  tables_.sweep(std::move(sources));
  // Of who is gone they stay: nobody is told that nodes stopped sending.
  if (peer.ask) {
    std::erase_if(peer.members, [&](const auto& told) {
      if (told.second == peer.epoch) return false;
      changed_members_.insert(told.first);
      turns_.soon();
      return true;
    });
  }
  handlers_.changed();
}

Status PeerRoutes::hear(PeerId id, const pubsub::Event& event) {
  Peer& peer = peers_[id];
  if (event.node == channel::peer_members_node) return hear_members(peer, event);
  if (event.items.empty() && event.retracted.empty()) {
    if (!peer.answered) return ok();
    if (!peer.complete) SPDLOG_INFO("controller {} has told all its routes", peer.address);
    peer.complete = true;
    sweep(peer);
    return ok();
  }
  Status first = ok();
  const auto keep = [&](const Status& status) {
    if (first && !status) first = status;
  };
  for (const auto& item : event.items) keep(announce(peer, item));
  for (const auto& name : event.retracted) keep(withdraw(peer, name));
  handlers_.changed();
  return first;
}

Status PeerRoutes::hear_members(Peer& peer, const pubsub::Event& event) {
  Status first = ok();
  const auto take = [&](const std::string& id, bool member) {
    const auto name = channel::parse_peer_member_name(id);
    if (!name) {
      if (first) first = name.error();
      return;
    }
    const Membership key{name->node, name->network};
    if (member ? peer.members.insert_or_assign(key, peer.epoch).second
               : peer.members.erase(key) != 0) {
      changed_members_.insert(key);
    }
  };
  for (const auto& item : event.items) take(item.id, true);
  for (const auto& id : event.retracted) take(id, false);
  turns_.soon();
  return first;
}

bool PeerRoutes::member(const std::string& node, const std::string& network) const {
  return std::ranges::any_of(peers_, [&](const Peer& peer) {
    return peer.members.contains({node, network});
  });
}

Status PeerRoutes::announce(Peer& peer, const pubsub::Item& item) {
  const auto name = channel::parse_peer_route_name(item.id);
  if (!name) return name.error();
  const auto& [node, route] = *name;
  if (!item.payload) return Error{item.id + ": an item without an entry"};
  auto entry = channel::parse_entry(*item.payload, {});
  if (!entry) return Error{item.id + ": " + entry.error().message};
  if (entry->nlri != route.nlri) {
    return Error{item.id + ": its entry is about " + to_string(entry->nlri)};
  }
  const auto network = tables_.find_network(route.network);
  if (!network) {  // it is asked again when the network is here
    peer.missed.insert(route.network);
    return ok();
  }
  auto source = peer.nodes.find(node);
  if (source == peer.nodes.end()) {
    source = peer.nodes.emplace(node, tables_.add_source(node, true)).first;
  }
  if (tables_.sources().find(source->second)->paths >= channel::most_node_routes) {
    return Error{
        fmt::format("{}: too many routes: a node may have {}", item.id, channel::most_node_routes)};
  }
  entry->attributes.origin = node;
  vpn::order_encapsulations(entry->attributes, handlers_.preference(route.network));
  tables_.announce(source->second, *network, route.nlri, std::move(entry->attributes),
                   std::chrono::steady_clock::now());
  return ok();
}

Status PeerRoutes::withdraw(Peer& peer, const std::string& text) {
  const auto name = channel::parse_peer_route_name(text);
  if (!name) return name.error();
  const auto source = peer.nodes.find(name->node);
  const auto network = tables_.find_network(name->route.network);
  if (source != peer.nodes.end() && network) {
    tables_.withdraw(source->second, *network, name->route.nlri);
  }
  return ok();
}

bool PeerRoutes::heard_all() const {
  return std::ranges::all_of(peers_, &Peer::complete) ||
         std::chrono::steady_clock::now() - started_ >= timers_.restart;
}

PeerRoutes::Count PeerRoutes::count(PeerId peer) const {
  Count out;
  for (const auto& [node, id] : peers_[peer].nodes) {
    const auto& source = *tables_.sources().find(id);
    out.routes += source.paths;
    out.stale += source.stale();
  }
  return out;
}

void PeerRoutes::network_goes(const std::string& name) {
  for (auto& peer : peers_) peer.missed.insert(name);
}

void PeerRoutes::network_comes(const std::string& name) {
  for (const auto& peer : peers_) {
    for (const auto& [key, epoch] : peer.members) {
      if (key.second == name) changed_members_.insert(key);
    }
  }
  turns_.soon();
}

void PeerRoutes::networks_changed() {
  for (PeerId id = 0; id < peers_.size(); ++id) {
    const auto& peer = peers_[id];
    if (!peer.ask) continue;  // it is asked when it is there
    const auto here = [this](const auto& network) {
      return tables_.find_network(network).has_value();
    };
    if (std::ranges::any_of(peer.missed, here)) ask_anew(id);
  }
}

void PeerRoutes::tick(Time now) {
  for (auto& [id, listener] : listeners_) finish(listener);
  forget_empty();
  for (auto& peer : peers_) {
    if (!peer.waiting || now - *peer.waiting < timers_.stale) continue;
    SPDLOG_WARN("controller {}: {} {} s; {}", peer.address,
                peer.ask ? "has not told all its routes within" : "gone for",
                std::chrono::duration<double>(timers_.stale).count(),
                peer.ask ? "those that it has not told again go" : "its nodes' routes go");
    sweep(peer);
  }
}

}  // namespace weft::controller
