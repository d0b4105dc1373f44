#pragma once
/// Who gets which change. Subscribers that stand at the same place get the same delivery, so each
/// change is encoded once for all that keep up.

#include <cstddef>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vpn/table.hpp"

namespace weft::vpn {

using SubscriberId = Id<struct SubscriberTag>;

struct Change {
  Nlri nlri;
  AttributesRef attributes;  ///< none: withdrawn
};

/// Changes of one network, to be encoded once and sent to each; or the end of what subscribers get
/// first.
struct Delivery {
  NetworkId network;
  std::vector<SubscriberId> to;
  std::vector<Change> changes;
  bool end_of_rib = false;
};

/// A subscriber that takes no more (its queue is full) stands still; that costs one place a
/// network, and later it gets the newest state alone. But withdrawn routes must be kept until it
/// knows: where a network has more of these than routes, and than `most_withdrawn`, those that
/// stand still furthest behind are given up.
class Subscriptions {
 public:
  explicit Subscriptions(std::size_t most_withdrawn) : most_withdrawn_(most_withdrawn) {}

  SubscriberId add() { return subscribers_.add(); }
  void remove(SubscriberId subscriber);
  /// It gets all routes of the network, then changes; when it has subscribed already, all once
  /// more.
  void subscribe(SubscriberId subscriber, NetworkId network, Table& table);
  void unsubscribe(SubscriberId subscriber, NetworkId network);
  /// Whether deliveries may go to it; true at first.
  void set_ready(SubscriberId subscriber, bool ready);

  /// Something new stands in the network's table.
  void changed(NetworkId network);
  /// The network goes, and all subscriptions to it.
  void remove_network(NetworkId network);

  /// The next delivery, networks in turn, with at most `most` changes. False: nothing to do. The
  /// end-of-RIB follows when a subscriber has got all of what it has subscribed to so far.
  bool next(Delivery& delivery, std::size_t most);
  /// Those that were given up since the last call: their sessions must start anew.
  std::vector<SubscriberId> take_overrun() { return std::exchange(overrun_, {}); }
  [[nodiscard]] std::vector<SubscriberId> subscribers(NetworkId network) const;

 private:
  struct Subscriber {
    std::vector<NetworkId> networks{};
    std::size_t initial = 0;  ///< networks of which it has not got all yet
    bool ready = true;
    bool end_due = false;
  };
  struct Subscription {
    SubscriberId subscriber;
    Table::ReaderId reader;
    bool initial = true;
  };
  struct Network {
    Table* table = nullptr;
    std::vector<Subscription> subscriptions{};
    bool active = false;    ///< in `active_`
    bool laggards = false;  ///< whose turn it is
  };

  void activate(NetworkId id, Network& network);
  void end_initial(Subscription& subscription);
  void drop(Network& network, std::vector<Subscription>::iterator subscription);
  void fill(Network& network, Delivery& delivery, std::size_t most);
  void fill_ends(Delivery& delivery);
  void give_up_slowest(Network& network);

  std::size_t most_withdrawn_;
  IdSlots<SubscriberId, Subscriber> subscribers_;
  std::unordered_map<NetworkId, Network> networks_;
  std::deque<NetworkId> active_;
  std::vector<SubscriberId> end_due_;
  std::vector<SubscriberId> overrun_;
};

}  // namespace weft::vpn
