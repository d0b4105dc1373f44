#pragma once
/// One operation on the model: what it tells the data plane, and how to take it back.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/rib.hpp"
#include "weft/forwarding.hpp"

namespace weft::agent {

/// Changes to the model go through put, erase, insert and replace, so that roll_back() finds the
/// old state again. Of several changes to one object the data plane hears the last.
class Transaction {
 public:
  template <class Identifier, class Object>
  using Changes = std::map<Identifier, std::optional<Object>>;

  Changes<PortId, Port> ports;
  Changes<VrfId, Vrf> vrfs;
  Changes<PolicyId, std::shared_ptr<const CompiledPolicy>> policies;
  Changes<VifId, Vif> vifs;
  Changes<AdjacencyId, Adjacency> adjacencies;
  Changes<NexthopId, Nexthop> nexthops;
  Changes<DecapId, Decap> decaps;
  std::map<std::pair<VrfId, IpPrefix>, NexthopId> routes;
  std::optional<LocalAddresses> local_addresses;
  bool exhausted = false;  ///< an id could not be had

  /// Objects that nothing leads to once this is published. They are deleted, their ids given back
  /// and their devices closed when no worker can have found them any more: a worker stands between
  /// two tables for a moment, with the id of an object that it is about to load.
  struct Deletions {
    Batch batch;
    std::vector<std::function<void()>> release;
    std::vector<PortId> close;
    std::vector<DecapId> decaps;                      ///< that are gone already, and marks
    std::vector<std::pair<DecapKey, DecapId>> marks;  ///< of decaps that stay
  };
  Deletions later;

  Transaction() = default;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  /// Takes everything back that was not committed.
  ~Transaction();

  template <class Map>
  void put(Map& map, const typename Map::key_type& key, typename Map::mapped_type value) {
    if (const auto found = map.find(key); found != map.end()) {
      undo_.push_back([&map, key, old = std::move(found->second)] { map.at(key) = old; });
      found->second = std::move(value);
    } else {
      undo_.push_back([&map, key] { map.erase(key); });
      map.emplace(key, std::move(value));
    }
  }
  template <class Map>
  void erase(Map& map, const typename Map::key_type& key) {
    const auto found = map.find(key);
    if (found == map.end()) return;
    // The node itself is kept, since other ways back refer to what is in it.
    const auto node = std::make_shared<typename Map::node_type>(map.extract(found));
    undo_.emplace_back([&map, node] { map.insert(std::move(*node)); });
  }
  template <class Set>
  void insert(Set& set, const typename Set::key_type& key) {
    if (set.insert(key).second) undo_.push_back([&set, key] { set.erase(key); });
  }
  void replace(Rib& rib, const IpPrefix& prefix, Rib::Slot slot) {
    undo_.emplace_back([&rib, prefix, old = rib.at(prefix)] { rib.replace(prefix, old); });
    rib.replace(prefix, std::move(slot));
  }

  void on_undo(std::function<void()> action) { undo_.push_back(std::move(action)); }
  /// Runs behind commit(), in order; may start transactions of its own.
  void on_commit(std::function<void()> action) { after_.push_back(std::move(action)); }

  [[nodiscard]] Batch batch() const;
  void commit();

 private:
  std::vector<std::function<void()>> undo_;
  std::vector<std::function<void()>> after_;
};

}  // namespace weft::agent
