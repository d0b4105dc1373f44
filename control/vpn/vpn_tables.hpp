#pragma once
/// The routes of all virtual networks of a controller, and how they leak by route targets.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "vpn/moves.hpp"
#include "vpn/subscriptions.hpp"
#include "vpn/table.hpp"
#include "weft/result.hpp"

namespace weft::vpn {

struct NetworkConfig {
  std::string name;
  RouteDistinguisher rd;  ///< one network's alone
  std::vector<RouteTarget> import_targets;
  std::vector<RouteTarget> export_targets;
};

/// What a source publishes in a network, without what is held back; none: nothing.
struct PathChange {
  SourceId source;
  NetworkId network;
  const Nlri& nlri;
  AttributesRef before;
  AttributesRef now;
};

/// A route published in a network stands in each network that imports one of the targets which that
/// one exports, with the RD of the network where it stands. A network that does not import what it
/// exports does not see its own routes. Nothing leaks twice: what was imported is not exported.
///
/// What takes long (a network's targets change or it goes, a source is swept) is begun by its call
/// and done by `work`, in portions.
///
/// Who assigns sequences: a node publishes an address with its mobility at sequence 0, or, when it
/// knows another node's route for it, with that one's sequence plus one (RFC 7432 §15). Where a
/// node claims an address that another has and does not know, the controller assigns the sequence;
/// the node finds it on its own route when that is reflected, and uses it from then on. A node's
/// sequence never falls while its route stands. Nobody takes an address that a sticky route has
/// (§15.2). What is relayed by another controller has its sequence already; between equal ones the
/// lowest next hop decides, so that both choose alike, until a node claims the address anew.
class VpnTables {
 public:
  VpnTables() : VpnTables(DampingRule{}) {}
  explicit VpnTables(const DampingRule& rule, std::size_t most_withdrawn = 4096)
      : moves_(rule), subscriptions_(most_withdrawn) {}

  /// Adds a network, or changes the one of that name. Refused: another RD than it had, or one that
  /// another network has.
  Result<NetworkId> set_network(const NetworkConfig& config);
  /// Its name and id are free at once, its routes go. Its subscriptions end without a word.
  void remove_network(NetworkId id);
  [[nodiscard]] std::optional<NetworkId> find_network(std::string_view name) const;
  /// Null where there is none.
  [[nodiscard]] const NetworkConfig* network(NetworkId id) const;
  /// What stands in the network, and what it only holds for others (`Use::elsewhere`).
  [[nodiscard]] const Table* table(NetworkId id) const;

  /// `relayed`: another controller tells what this node told it. Sequences of its routes are that
  /// one's matter: they stand as they are told.
  SourceId add_source(std::string name, bool relayed = false) {
    return sources_.add(std::move(name), relayed);
  }
  /// Its session is lost.
  void mark_stale(SourceId source) { sources_.mark_stale(source); }
  /// After its end-of-RIB, or a time: what is stale goes.
  void sweep(SourceId source) { sweep(std::vector{source}); }
  /// Of all of them in one walk.
  void sweep(std::vector<SourceId> sources);
  /// It does not come back: all that it told goes, then its id.
  void remove_source(SourceId source);
  [[nodiscard]] const Sources& sources() const { return sources_; }

  /// The network's RD and name replace what `nlri` and `attributes` say of them; an empty origin
  /// becomes the source's name. False: there is no such network or source.
  bool announce(SourceId source, NetworkId network, const Nlri& nlri, Attributes attributes,
                Time now);
  bool withdraw(SourceId source, NetworkId network, const Nlri& nlri);

  /// Goes on with what was begun, for about that many routes. True: there is more to do.
  bool work(std::size_t most_routes);
  /// Addresses that have been quiet may move again; call it about once a second.
  void tick(Time now);
  [[nodiscard]] std::vector<DuplicateAddress> duplicates() const { return moves_.duplicates(); }
  std::vector<DuplicateAddress> take_new_duplicates() { return moves_.take_new(); }

  SubscriberId add_subscriber() { return subscriptions_.add(); }
  void remove_subscriber(SubscriberId id) { subscriptions_.remove(id); }
  /// False: there is no such network.
  bool subscribe(SubscriberId subscriber, NetworkId network);
  void unsubscribe(SubscriberId subscriber, NetworkId network) {
    subscriptions_.unsubscribe(subscriber, network);
  }
  void set_ready(SubscriberId id, bool ready) { subscriptions_.set_ready(id, ready); }
  /// See Subscriptions.
  bool next(Delivery& delivery, std::size_t most) { return subscriptions_.next(delivery, most); }
  std::vector<SubscriberId> take_overrun() { return subscriptions_.take_overrun(); }
  [[nodiscard]] std::vector<SubscriberId> subscribers(NetworkId network) const {
    return subscriptions_.subscribers(network);
  }

  [[nodiscard]] std::size_t attribute_sets() const { return pool_.size(); }

  /// Called whenever a path changes where it was published; may not change the tables.
  std::function<void(const PathChange&)> on_path;

 private:
  struct Network {
    NetworkConfig config;
    std::unique_ptr<Table> table;
    std::vector<NetworkId> importers{};  ///< where its routes stand
    std::vector<NetworkId> exporters{};  ///< whose routes stand in it
  };
  struct LinkJob {
    NetworkId from;
    NetworkId to;
  };
  struct SweepJob {
    std::vector<SourceId> sources;  ///< sorted
    bool remove = false;            ///< then it is one
    std::uint32_t next_network = 0;
  };
  struct RemoveJob {
    NetworkId network;
  };
  using Job = std::variant<LinkJob, SweepJob, RemoveJob>;
  using TargetIndex = std::map<RouteTarget, std::vector<NetworkId>>;

  void index(NetworkId id, bool present);
  void relink(NetworkId id);
  void link(NetworkId from, NetworkId to);
  /// How many routes it looked at; nothing more to do where `done`.
  std::size_t run(LinkJob& job, bool& done);
  std::size_t run(SweepJob& job, bool& done);
  std::size_t run(RemoveJob& job, bool& done);

  bool claim(NetworkId id, const Table& table, const Nlri& nlri, Attributes& attributes, Time now);
  void put(Network& network, const Nlri& nlri, const Path& path);
  void withdraw(Network& network, NetworkId id, const Nlri& nlri, SourceId source);
  void release(NetworkId id, const Nlri& nlri);
  void report(NetworkId id, const Nlri& nlri, SourceId source, AttributesRef before,
              AttributesRef now) const;

  Sources sources_;
  AttributePool pool_;
  Moves moves_;
  Subscriptions subscriptions_;
  IdSlots<NetworkId, Network> networks_;
  std::map<std::string, NetworkId, std::less<>> names_;
  std::map<RouteDistinguisher, NetworkId> rds_;
  TargetIndex importing_;
  TargetIndex exporting_;
  std::deque<Job> jobs_;
};

}  // namespace weft::vpn
