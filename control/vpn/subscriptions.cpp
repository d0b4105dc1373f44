#include "vpn/subscriptions.hpp"

#include <algorithm>

namespace weft::vpn {

void Subscriptions::remove(SubscriberId subscriber) {
  const Subscriber* const found = subscribers_.find(subscriber);
  if (found == nullptr) return;
  for (const NetworkId network : std::vector(found->networks)) unsubscribe(subscriber, network);
  subscribers_.remove(subscriber);
}

void Subscriptions::subscribe(SubscriberId subscriber, NetworkId network, Table& table) {
  unsubscribe(subscriber, network);
  Subscriber* const found = subscribers_.find(subscriber);
  if (found == nullptr) return;
  ++found->initial;
  found->networks.push_back(network);
  Network& of = networks_[network];
  of.table = &table;
  of.subscriptions.push_back({subscriber, table.add_reader()});
  activate(network, of);
}

void Subscriptions::unsubscribe(SubscriberId subscriber, NetworkId network) {
  const auto of = networks_.find(network);
  if (of == networks_.end()) return;
  auto& all = of->second.subscriptions;
  const auto at = std::ranges::find(all, subscriber, &Subscription::subscriber);
  if (at == all.end()) return;
  drop(of->second, at);
  std::erase(subscribers_[subscriber].networks, network);
  if (all.empty() && !of->second.active) networks_.erase(of);
}

/// But for the subscriber's own list of networks.
void Subscriptions::drop(Network& network, std::vector<Subscription>::iterator subscription) {
  if (subscription->initial) end_initial(*subscription);
  network.table->remove_reader(subscription->reader);
  network.subscriptions.erase(subscription);
}

void Subscriptions::set_ready(SubscriberId subscriber, bool ready) {
  Subscriber* const found = subscribers_.find(subscriber);
  if (found == nullptr || std::exchange(found->ready, ready) == ready || !ready) return;
  for (const NetworkId id : found->networks) activate(id, networks_.at(id));
  if (found->end_due) end_due_.push_back(subscriber);
}

void Subscriptions::changed(NetworkId network) {
  const auto of = networks_.find(network);
  if (of == networks_.end()) return;
  activate(network, of->second);
  give_up_slowest(of->second);
}

void Subscriptions::remove_network(NetworkId network) {
  for (const SubscriberId subscriber : subscribers(network)) unsubscribe(subscriber, network);
  networks_.erase(network);
}

std::vector<SubscriberId> Subscriptions::subscribers(NetworkId network) const {
  std::vector<SubscriberId> all;
  const auto of = networks_.find(network);
  if (of == networks_.end()) return all;
  for (const Subscription& subscription : of->second.subscriptions) {
    all.push_back(subscription.subscriber);
  }
  return all;
}

void Subscriptions::activate(NetworkId id, Network& network) {
  if (std::exchange(network.active, true)) return;
  active_.push_back(id);
}

void Subscriptions::end_initial(Subscription& subscription) {
  subscription.initial = false;
  Subscriber& subscriber = subscribers_[subscription.subscriber];
  if (--subscriber.initial != 0) return;
  if (!std::exchange(subscriber.end_due, true)) end_due_.push_back(subscription.subscriber);
}

bool Subscriptions::next(Delivery& delivery, std::size_t most) {
  delivery = {};
  while (delivery.to.empty()) {
    if (!end_due_.empty()) {
      fill_ends(delivery);
    } else if (active_.empty()) {
      return false;
    } else {
      const NetworkId id = active_.front();
      active_.pop_front();
      const auto of = networks_.find(id);
      if (of == networks_.end()) continue;
      of->second.active = false;
      delivery.network = id;
      fill(of->second, delivery, most);
      if (of->second.subscriptions.empty()) networks_.erase(of);
    }
  }
  return true;
}

/// Those that have subscribed anew meanwhile get it later, and so do those that take nothing now.
void Subscriptions::fill_ends(Delivery& delivery) {
  for (const SubscriberId id : std::exchange(end_due_, {})) {
    Subscriber* const subscriber = subscribers_.find(id);
    if (subscriber == nullptr || !subscriber->end_due || !subscriber->ready) continue;
    subscriber->end_due = false;
    if (subscriber->initial == 0) delivery.to.push_back(id);
  }
  delivery.end_of_rib = !delivery.to.empty();
}

/// Serves those in front and those behind in turn: who keeps up does not wait until somebody has
/// caught up, and who is behind is not kept waiting by changes.
void Subscriptions::fill(Network& network, Delivery& delivery, std::size_t most) {
  Table& table = *network.table;
  Table::Position least = Table::at_end;
  Table::Position greatest = 0;
  const auto place = [&](const Subscription& subscription) {
    return subscribers_[subscription.subscriber].ready ? table.position(subscription.reader)
                                                       : Table::at_end;
  };
  for (const Subscription& subscription : network.subscriptions) {
    const Table::Position position = place(subscription);
    if (position == Table::at_end) continue;
    least = std::min(least, position);
    greatest = std::max(greatest, position);
  }
  const Table::Position chosen =
      std::exchange(network.laggards, !network.laggards) ? least : greatest;
  std::vector<Table::ReaderId> readers;
  if (least != Table::at_end) {
    for (const Subscription& subscription : network.subscriptions) {
      if (place(subscription) != chosen) continue;
      readers.push_back(subscription.reader);
      delivery.to.push_back(subscription.subscriber);
    }
    table.read(readers, most, [&](const Nlri& nlri, const AttributesRef& best) {
      delivery.changes.push_back({nlri, best});
    });
  }
  if (delivery.changes.empty()) delivery.to.clear();
  bool more = false;
  for (Subscription& subscription : network.subscriptions) {
    const bool read_all = table.position(subscription.reader) == Table::at_end;
    if (read_all && subscription.initial) end_initial(subscription);
    more = more || place(subscription) != Table::at_end;
  }
  if (more) activate(delivery.network, network);
}

void Subscriptions::give_up_slowest(Network& network) {
  Table& table = *network.table;
  while (table.withdrawn() > std::max(most_withdrawn_, table.size())) {
    auto slowest = network.subscriptions.end();
    for (auto at = network.subscriptions.begin(); at != network.subscriptions.end(); ++at) {
      if (subscribers_[at->subscriber].ready) continue;
      if (slowest == network.subscriptions.end() ||
          table.position(at->reader) < table.position(slowest->reader)) {
        slowest = at;
      }
    }
    if (slowest == network.subscriptions.end()) return;
    const SubscriberId subscriber = slowest->subscriber;
    overrun_.push_back(subscriber);
    for (const NetworkId id : std::exchange(subscribers_[subscriber].networks, {})) {
      Network& of = networks_.at(id);
      drop(of, std::ranges::find(of.subscriptions, subscriber, &Subscription::subscriber));
    }
  }
}

}  // namespace weft::vpn
