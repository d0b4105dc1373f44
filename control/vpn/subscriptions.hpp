#pragma once
/// Who gets which change. Subscribers that stand at the same place get the same delivery, so each
/// change is encoded once for all that keep up.

#include <cstddef>
#include <deque>
#include <unordered_map>
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

/// A subscriber that does not take more (its queue is full) stands still, costs one place a
/// network, and later gets the newest state alone. Where a network has withdrawn more routes
/// meanwhile than it has, and than `most_withdrawn`, those that are furthest behind are given up.
class Subscriptions {
 public:
  explicit Subscriptions(std::size_t most_withdrawn = 4096) : most_withdrawn_(most_withdrawn) {}

  SubscriberId add();
  void remove(SubscriberId subscriber);
  /// Gets all routes of the network, then changes. Again: all once more.
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
  std::vector<SubscriberId> take_overrun();
  [[nodiscard]] std::vector<SubscriberId> subscribers(NetworkId network) const;

 private:
  struct Subscriber {
    std::vector<NetworkId> networks;
    std::size_t initial = 0;  ///< networks of which it has not got all yet
    bool ready = true;
    bool end_due = false;
    bool used = false;
    std::uint8_t generation = 0;
  };
  struct Subscription {
    SubscriberId subscriber;
    Table::ReaderId reader;
    bool initial = true;
  };
  struct Network {
    Table* table = nullptr;
    std::vector<Subscription> subscriptions;
    bool active = false;  ///< in `active_`
  };

  Subscriber* find(SubscriberId id);
  void activate(NetworkId id, Network& network);
  void end_initial(Subscription& subscription);
  bool fill(NetworkId id, Network& network, Delivery& delivery, std::size_t most);
  void give_up_slowest(Network& network);

  std::size_t most_withdrawn_;
  std::vector<Subscriber> subscribers_;
  std::unordered_map<NetworkId, Network> networks_;
  std::deque<NetworkId> active_;
  std::vector<SubscriberId> end_due_;
  std::vector<SubscriberId> overrun_;
};

}  // namespace weft::vpn
